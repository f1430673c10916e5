"""AdaLoRA: LoRA as singular values; ranks move during training to the layers where they matter (arXiv 2303.10512)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import Field, model_validator

from domainkit.adapters.adaptation import LARGEST_WIDTH, Adaptation, PeftConfigDict, Width, target_modules, wrap
from domainkit.adapters.peft_patches import apply_peft_patches
from domainkit.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from peft import AdaLoraConfig, AdaLoraModel, LoraConfig, PeftModel
    from transformers import PreTrainedModel

    from domainkit.adapters.micro_batch import MicroBatch
    from domainkit.adapters.tuned_model import AdaptedModel


class AdaLora(Adaptation):
    """AdaLoRA (arXiv 2303.10512): y = Wx + (alpha / initial rank) B diag(e) Ax; unimportant e are cut until the mean
    rank is `rank`."""

    published_rates = (5e-4, 2.2e-3)
    default_rate = (1e-3, "AdaLoRA's rate for SQuAD, within its 5e-4 to 2.2e-3 (arXiv 2303.10512, tables 8, 10 and 13)")

    kind: Literal["adalora"] = "adalora"
    rank: Width = 8
    """Mean rank per layer when training ends; 8 in PEFT and, for question answering, in the paper's middle budget."""
    initial_rank: int | None = Field(None, ge=2, le=LARGEST_WIDTH)
    """Rank of every layer at the start; left out, 1.5 times the rank, as in the paper."""
    alpha: float | None = Field(None, gt=0)
    """Scale of the difference; left out, twice the initial rank."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the adapter's inputs dropped in training."""
    target: str | tuple[str, ...] = "all-linear"
    """Layers to adapt: all-linear (all but the head, as in the paper), or the ends of their names."""
    warmup: float = Field(0.1, ge=0, lt=1)
    """Share of the steps before ranks begin to fall."""
    final: float = Field(0.3, ge=0, lt=1)
    """Share of the steps, at the end, in which ranks stay as they are."""
    every: int = Field(1, ge=1)
    """Steps between two allocations; 10 to 100 in the paper, whose runs are long."""
    orthogonality: float = Field(0.1, ge=0)
    """Weight of the penalty that keeps A and B orthogonal; 0.1 to 0.5 in the paper."""

    @model_validator(mode="after")
    def _room(self) -> AdaLora:
        if self.initial_rank is not None and self.initial_rank <= self.rank:
            raise ValueError(f"must be more than rank={self.rank}, or no rank can be removed")
        if self.warmup + self.final >= 1:
            raise ValueError("warmup and final leave no steps in which ranks may fall: their sum must be under 1")
        return self

    @classmethod
    def lora_rank(cls, config: PeftConfigDict) -> int:
        """The largest initial or remaining rank of a layer."""
        return max([config["init_r"], *map(sum, (config.get("rank_pattern") or {}).values())])

    @classmethod
    def convert_to_lora(
        cls, model: PeftModel, rank: int, config: PeftConfigDict
    ) -> tuple[LoraConfig, dict[str, torch.Tensor]]:
        """B diag(e) A exactly, where PEFT would decompose the product again; fewer ranks are padded with zeros."""
        import torch
        from peft import LoraConfig

        weights = {}
        for name, layer in model.named_modules():
            if "default" not in getattr(layer, "lora_E", {}):
                continue
            a = (layer.lora_A["default"] * layer.lora_E["default"]).detach()
            # PEFT's AdaLoRA divides by the layer's rank, and adds 1e-5 to it.
            b = (
                layer.lora_B["default"] * (layer.scaling["default"] / (float(layer.ranknum["default"]) + 1e-5))
            ).detach()
            missing = rank - len(a)
            weights[f"{name}.lora_A.weight"] = torch.nn.functional.pad(a, (0, 0, 0, missing))
            weights[f"{name}.lora_B.weight"] = torch.nn.functional.pad(b, (0, missing))
        return LoraConfig(r=rank, lora_alpha=rank, target_modules=config["target_modules"]), weights

    def attach(self, model: PreTrainedModel) -> PeftModel:
        """The base with fresh weights: singular values zero, so that nothing changes before the first step."""
        from peft import AdaLoraConfig

        apply_peft_patches()
        start = self.initial_rank or max(self.rank + 1, round(1.5 * self.rank))
        config = AdaLoraConfig(
            init_r=start,
            target_r=self.rank,
            lora_alpha=self.alpha or 2 * start,  # type: ignore[arg-type]
            lora_dropout=self.dropout,
            target_modules=target_modules(self.target),
            orth_reg_weight=self.orthogonality,
            deltaT=self.every,
            total_step=1,  # known, and set, once the run is
        )
        return wrap(model, config)

    # ---- hooks

    def prepare(self, model: AdaptedModel, steps: int, passes: Callable[[], Iterator[MicroBatch]]) -> None:
        """Fit the schedule of ranks to the run. Raises ConfigError when it is too short for one."""
        config = _config(model)
        config.total_step = steps
        config.tinit, config.tfinal = int(self.warmup * steps), int(self.final * steps)
        if steps - config.tfinal - config.tinit < 2:
            raise ConfigError(
                f"{steps} steps are too few to redistribute ranks",
                where="method",
                next_step="train for more epochs, use a smaller batch_size, or method=lora",
            )

    def penalty(self, model: AdaptedModel) -> torch.Tensor | None:
        """Mean Frobenius norm of AAᵀ − I and BᵀB − I over the layers, weighted (the paper's equation 4, no square)."""
        import torch

        grams = []
        for name, p in model.named_parameters():
            if p.requires_grad and ("lora_A" in name or "lora_B" in name):
                gram = p @ p.T if "lora_A" in name else p.T @ p
                grams.append(torch.linalg.matrix_norm(gram - torch.eye(len(gram), device=p.device, dtype=p.dtype)))
        return self.orthogonality * torch.stack(grams).mean() if self.orthogonality else None

    def after_step(self, model: AdaptedModel, step: int) -> None:
        """Update the importance of every triplet and cut the least important ones to the step's budget."""
        tuner = cast("AdaLoraModel", model.base_model)
        allocator, last = _allocator(model), _last_allocation(model)
        if step < last:
            _, pattern = allocator.update_and_allocate(tuner.model, step)
        elif step == last:
            _, pattern = allocator.update_and_allocate(tuner.model, step, force_mask=True)
        else:
            pattern = allocator.pattern
            allocator.mask_using_rank_pattern(tuner.model, pattern)
        # In PEFT's config it would cut the weights that checkpoints hold; `save` puts it there.
        allocator.pattern = pattern or getattr(allocator, "pattern", None)

    def state(self, model: AdaptedModel) -> dict[str, torch.Tensor]:
        """Moving averages of the importance, and the current ranks."""
        import torch

        allocator = _allocator(model)
        tensors: dict[str, torch.Tensor] = {}
        for table in ("ipt", "exp_avg_ipt", "exp_avg_unc"):
            tensors |= {f"{table}/{name}": value for name, value in getattr(allocator, table).items()}
        pattern = getattr(allocator, "pattern", None) or {}
        return tensors | {f"pattern/{name}": torch.tensor(value) for name, value in pattern.items()}

    def restore(self, model: AdaptedModel, state: dict[str, torch.Tensor]) -> None:
        allocator = _allocator(model)
        pattern = {}
        for key, value in state.items():
            table, _, name = key.partition("/")
            if table == "pattern":
                pattern[name] = value.tolist()
            else:
                getattr(allocator, table)[name] = value.to(model.device)
        allocator.pattern = pattern or None

    def save(self, model: AdaptedModel, folder: Path, fresh: dict[str, torch.Tensor]) -> None:
        """Only the ranks that are left are written."""
        allocator = _allocator(model)
        _config(model).rank_pattern = getattr(allocator, "pattern", None)
        with warnings.catch_warnings():
            # A layer that lost all its ranks is intended. PEFT would take it for a lost shard.
            warnings.filterwarnings("ignore", message=r".*tensor\(s\) have invalid shape")
            super().save(model, folder, fresh)


def _config(model: AdaptedModel) -> AdaLoraConfig:
    return cast("AdaLoraConfig", model.peft_config["default"])


def _allocator(model: AdaptedModel) -> Any:  # PEFT's RankAllocator, with one more attribute: `pattern`
    return cast("AdaLoraModel", model.base_model).rankallocator


def _last_allocation(model: AdaptedModel) -> int:
    config = _config(model)
    assert config.total_step is not None
    return config.total_step - config.tfinal
