"""LoRA: a trained low-rank difference beside each linear layer (arXiv 2106.09685); with a 4-bit base, QLoRA (arXiv 2305.14314)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from domainkit.errors import ConfigError


class Lora(BaseModel):
    """LoRA, with its variants rsLoRA and DoRA: y = Wx + (alpha / rank) BAx."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    packs: ClassVar[bool] = True

    kind: Literal["lora"] = "lora"
    rank: int = Field(16, ge=1)
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

    @classmethod
    def default_learning_rate(cls, parameters: int | None = None) -> tuple[float, str]:
        """10 times the usual rate of full fine-tuning (QLoRA, table 9: 2e-4 for 7B and 13B); small bases take more."""
        if parameters is not None and parameters > 1_000_000_000:
            return 2e-4, "QLoRA's rate for 7B to 13B (arXiv 2305.14314, table 9)"
        return 5e-4, "the upper end of LoRA's usual 1e-4 to 5e-4, which bases under 1B take"

    def attach(self, model: Any) -> Any:
        """The base with fresh LoRA weights: A random, B zero, so that nothing changes before the first step."""
        from peft import LoraConfig, get_peft_model

        if self.dora and getattr(model, "is_loaded_in_8bit", False) and model.device.type == "cpu":
            raise ConfigError(
                "DoRA does not work on an int8 base on the CPU", where="method.dora", next_step="use nf4 or none"
            )
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha or 2 * self.rank,  # type: ignore[arg-type]
            lora_dropout=self.dropout,
            target_modules=self.target if isinstance(self.target, str) else list(self.target),
            use_rslora=self.rslora,
            use_dora=self.dora,
            task_type="CAUSAL_LM",
        )
        try:
            return get_peft_model(model, config)
        except ValueError as e:
            raise ConfigError(
                f"no layers to adapt: {e}",
                where="method.target",
                next_step="use all-linear, or the names in model.named_modules()",
            ) from e
