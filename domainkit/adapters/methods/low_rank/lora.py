"""LoRA: a low-rank difference beside each linear layer (arXiv 2106.09685); on a 4-bit base, QLoRA (2305.14314)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import Field

from domainkit.adapters.adaptation import Adaptation, PeftConfigDict, Width, sort_sets, target_modules, wrap
from domainkit.adapters.folder import WEIGHTS
from domainkit.errors import ConfigError
from domainkit.models.encoder_decoder import architecture_of

if TYPE_CHECKING:
    import torch
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel

    from domainkit.adapters.adaptation import ParameterGroup
    from domainkit.adapters.micro_batch import MicroBatch
    from domainkit.adapters.tuned_model import AdaptedModel

SPECIAL = (
    "use_dora",
    "modules_to_save",
    "trainable_token_indices",
    "target_parameters",
    "layer_replication",
    "lora_bias",
    "alora_invocation_tokens",
    "use_qalora",
    "use_bdlora",
    "arrow_config",
    "monteclora_config",
)
"""Fields of PEFT's LoraConfig by which an adapter is more than y = Wx + scale · BAx."""
PLAIN_STARTS = ("true", "false", "gaussian", "eva", "orthogonal")
"""Values of `init_lora_weights` that leave the base as it is."""
CONVERTIBLE_STARTS = ("pissa", "olora")
"""Those that take a part of the base's weights out, and whose difference is a LoRA of twice the rank."""
BASE_CHANGING_STARTS = (*CONVERTIBLE_STARTS, "corda", "loftq", "lora_ga")
"""Those that change the base's own weights while an adapter loads."""


class Lora(Adaptation):
    """LoRA (arXiv 2106.09685) and its variants rsLoRA, DoRA, LoRA+, PiSSA, OLoRA and EVA: y = Wx + (alpha / rank)
    BAx."""

    published_rates = (6e-5, 5e-4)
    default_rate = (2e-4, "QLoRA's rate for 7B to 13B (arXiv 2305.14314, its scripts)")
    default_rate_small = (
        5e-4,
        "the upper end of LoRA's 2e-4 to 5e-4 for bases under 1B (arXiv 2106.09685, tables 9 and 11)",
    )
    works_for_preferences = True

    kind: Literal["lora"] = "lora"
    rank: Width = 16
    """Rank of the difference; 16 to 64 suit small sets."""
    alpha: float | None = Field(None, gt=0)
    """Scale of the difference; left out, twice the rank."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the adapter's inputs dropped in training."""
    target: str | tuple[str, ...] = "all-linear"
    """Layers to adapt: all-linear (all but the head), or the ends of their names, e.g. ["q_proj", "v_proj"]."""
    rslora: bool = False
    """Scale by alpha / sqrt(rank), for ranks of 32 and more (arXiv 2312.03732)."""
    dora: bool = False
    """Train the weights' magnitude apart from their direction (arXiv 2402.09353); slower."""
    plus: float | None = Field(None, ge=1)
    """LoRA+: B learns at this many times the rate of A; 16 in the paper (arXiv 2402.12354), with a lower
    learning_rate."""
    init: Literal["default", "pissa", "olora", "eva"] = "default"
    """Start: default (B zero), pissa (principal parts of W, arXiv 2404.02948), olora (QR of W, arXiv 2406.01775), or
    eva (directions of the layers' inputs on the training data, ranks shared out by the variance they explain, arXiv
    2410.07170)."""

    @classmethod
    def lora_rank(cls, config: PeftConfigDict) -> int:
        """The largest rank of a layer."""
        return max([int(config.get("r", 8)), *map(int, (config.get("rank_pattern") or {}).values())])

    @classmethod
    def mixes_in_batch(cls, config: PeftConfigDict) -> bool:
        """Plain LoRA: each row adds its own BAx."""
        return is_plain_lora(config)

    @classmethod
    def why_not_plain_lora(cls, config: PeftConfigDict, quantization: str) -> str | None:
        """DoRA changes the weights' magnitude too; a start in weights that were then quantised is not known exactly."""
        start = start_of(config)
        convertible = start.startswith(CONVERTIBLE_STARTS)
        if config.get("use_dora") or not (convertible or start in PLAIN_STARTS):
            name = "dora" if config.get("use_dora") else f"init_lora_weights={start}"
            return f"{name} changes weights by more than a matrix of low rank, so that no plain LoRA is the same"
        if convertible and quantization != "none":
            return (
                f"{start} took its part out of weights that were then quantised, so the exact difference is not known"
            )
        return None

    @classmethod
    def write_plain_lora(cls, base: PreTrainedModel, folder: Path, config: PeftConfigDict, out: Path) -> AdaptedModel:
        """What training added to the start that PiSSA or OLoRA made: BA − B₀A₀ (arXiv 2404.02948, appendix C)."""
        from peft import PeftConfig, get_peft_model, set_peft_model_state_dict
        from safetensors.torch import load_file

        settings = PeftConfig.from_pretrained(str(folder))
        settings.inference_mode = False
        model = get_peft_model(base, settings)
        with tempfile.TemporaryDirectory() as first:
            model.peft_config["default"].init_lora_weights = True  # or PEFT would read the start as one more start
            model.save_pretrained(first)
            set_peft_model_state_dict(model, load_file(str(folder / WEIGHTS)))
            sort_sets(model.peft_config.values())
            model.eval().save_pretrained(str(out), path_initial_model_for_weight_conversion=first)
        (out / "README.md").unlink(missing_ok=True)
        return cast("AdaptedModel", model)

    def attach(self, model: PreTrainedModel) -> PeftModel:
        """The base with fresh LoRA weights; the default start changes nothing before the first step."""
        from peft import LoraConfig

        self._refuse(model)
        # Any: LoraConfig takes fixed words only.
        start: Any = {"default": True}.get(self.init, self.init)
        options: dict[str, Any] = {}
        if self.init == "eva":
            from peft import EvaConfig

            options["eva_config"] = EvaConfig()
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha or 2 * self.rank,  # type: ignore[arg-type]
            lora_dropout=self.dropout,
            target_modules=target_modules(self.target),
            use_rslora=self.rslora,
            use_dora=self.dora,
            init_lora_weights=start,
            **options,
        )
        return wrap(model, config)

    def _refuse(self, model: PreTrainedModel) -> None:
        from domainkit.models.quantization import quantization_of

        packed = quantization_of(model)
        if self.dora and packed == "int8" and model.device.type == "cpu":
            raise ConfigError(
                "DoRA does not work on an int8 base on the CPU", where="method.dora", next_step="use nf4 or none"
            )
        if self.init in CONVERTIBLE_STARTS and packed != "none":
            raise ConfigError(
                f"{self.init} takes part of each weight out of the base, and what is left is no longer {packed}",
                where="method.init",
                next_step="use quantization=none, or init=default or eva",
            )
        if self.init == "eva" and architecture_of(model).has_encoder:
            raise ConfigError(
                "eva measures each layer's inputs, and in an encoder-decoder PEFT cannot tell the prompt's rows "
                "from the answer's",
                where="method.init",
                next_step="use init=default, or pissa or olora with quantization=none",
            )
        if self.init in CONVERTIBLE_STARTS and self.dora:
            raise ConfigError(
                f"an adapter started with {self.init} is saved as plain LoRA, which DoRA's magnitudes are not",
                where="method.init",
                next_step="use init=default with dora, or dora=false",
            )

    # ---- hooks

    def check_for_preferences(self) -> None:
        """The reference is the base with the adapter switched off."""
        if self.init != "default":
            raise ConfigError(
                "a start that changes the base leaves no reference when the adapter is switched off",
                where="method.init",
                next_step="leave method.init out",
            )

    def prepare(self, model: AdaptedModel, steps: int, passes: Callable[[], Iterator[MicroBatch]]) -> None:
        """EVA's start: PEFT's incremental SVD of the layers' inputs over the first epoch."""
        if self.init != "eva":
            return
        from peft import initialize_lora_eva_weights

        from domainkit.models.precision import precision

        model.eval()
        with precision(model):
            initialize_lora_eva_weights(
                model,
                _Repeated(passes),
                forward_fn=lambda peft_model, inputs: peft_model(**inputs, use_cache=False),
                prepare_model_inputs_fn=lambda inputs, peft_config: inputs["attention_mask"],
                prepare_layer_inputs_fn=_rows_of_inputs,
                show_progress_bar=False,
            )
        model.train()

    def parameter_groups(self, parameters: dict[str, torch.nn.Parameter], rate: float) -> list[ParameterGroup] | None:
        """LoRA+: the B matrices apart, at `plus` times the rate."""
        if self.plus is None:
            return None
        fast = [p for name, p in parameters.items() if "lora_B" in name or "lora_embedding_B" in name]
        slow = [p for name, p in parameters.items() if not ("lora_B" in name or "lora_embedding_B" in name)]
        return [{"params": slow, "lr": rate}, {"params": fast, "lr": rate * self.plus}]

    def save(self, model: AdaptedModel, folder: Path, fresh: dict[str, torch.Tensor]) -> None:
        """Plain LoRA, whatever the start: PiSSA and OLoRA are saved as the difference that training made."""
        config = cast("LoraConfig", model.peft_config["default"])
        if self.init in CONVERTIBLE_STARTS:
            _save_difference(model, folder, fresh)
            return
        init = config.init_lora_weights
        config.init_lora_weights, config.eva_config = True, None
        super().save(model, folder, fresh)
        config.init_lora_weights = init


def is_plain_lora(config: PeftConfigDict) -> bool:
    """y = Wx + scale · BAx and nothing else. `config` are the values of an adapter_config.json."""
    return config.get("peft_type") == "LORA" and not special_features(config)


def special_features(config: PeftConfigDict) -> list[str]:
    """The fields that make a LoRA more than plain."""
    return [name for name in SPECIAL if config.get(name)]


def has_one_scale(config: PeftConfigDict) -> bool:
    """Every layer's BAx is scaled alike, also where layers have ranks of their own."""
    ranks: dict[str, float] = config.get("rank_pattern") or {}
    alphas: dict[str, float] = config.get("alpha_pattern") or {}
    rank, alpha, power = float(config["r"]), float(config["lora_alpha"]), 0.5 if config.get("use_rslora") else 1.0
    scales = {
        round(alphas.get(name, alpha) / ranks.get(name, rank) ** power, 6)
        for name in (*ranks, *alphas, "")  # "": a layer that neither names
    }
    return len(scales) == 1


def start_of(config: PeftConfigDict) -> str:
    """How the weights were initialised: PEFT's `init_lora_weights` in small letters."""
    return str(config.get("init_lora_weights", True)).lower()


def _save_difference(model: AdaptedModel, folder: Path, fresh: dict[str, torch.Tensor]) -> None:
    """BA − B₀A₀ = [B, −B₀][A; A₀]: a LoRA of twice the rank over the untouched base (PEFT's conversion)."""
    import copy

    import torch
    from safetensors.torch import save_file

    weights = {}
    for name, weight in model.named_parameters():
        if name not in fresh:
            continue
        now, first = weight.detach().cpu().float(), fresh[name].float()
        joined = torch.cat([now, first], dim=0) if "lora_A" in name else torch.cat([now, -first], dim=1)
        weights[name.replace(".default", "")] = joined.contiguous()
    config = copy.deepcopy(cast("LoraConfig", model.peft_config["default"]))
    config.lora_alpha = config.lora_alpha * (2**0.5 if config.use_rslora else 2)  # type: ignore[assignment]
    config.r, config.init_lora_weights, config.inference_mode = 2 * config.r, True, True
    sort_sets([config])
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, str(folder / WEIGHTS), metadata={"format": "pt"})
    config.save_pretrained(str(folder))


ENOUGH = 64
"""Passes that EVA looks at: its directions settle within a few of them."""


class _Repeated:
    """Padded passes as PEFT's EVA asks for them: iterable any number of times, with a length."""

    def __init__(self, passes: Callable[[], Iterator[MicroBatch]]) -> None:
        tensors = ("input_ids", "position_ids", "attention_mask")
        self.passes = [{name: getattr(one, name) for name in tensors} for one in islice(passes(), ENOUGH)]

    def __iter__(self) -> Iterator[dict[str, torch.Tensor | None]]:
        return iter(self.passes)

    def __len__(self) -> int:
        return len(self.passes)


def _rows_of_inputs(
    layer_input: torch.Tensor | tuple[torch.Tensor, ...] | list[torch.Tensor],
    mask: torch.Tensor | None,
    layer_name: str,
) -> torch.Tensor:
    """A layer's input (…, features) as rows (n, features), without padding; `mask` is the pass's attention mask."""
    inputs = layer_input[0] if isinstance(layer_input, tuple | list) else layer_input
    return inputs[mask.bool()] if mask is not None and mask.dim() == 2 else inputs.reshape(-1, inputs.shape[-1])
