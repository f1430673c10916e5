"""RLOO: sampled answers, each weighed by its reward less the mean of the others', and the KL in the reward (arXiv 2402.14740)."""

from __future__ import annotations

from typing import Any, ClassVar

from trl import RLOOConfig, RLOOTrainer

from domainkit.training.config import PreferenceConfig
from domainkit.training.objectives import Plan, RowKind
from domainkit.training.objectives.on_trl import OnTrl
from domainkit.training.objectives.sampled import CURVE, encode_prompts, sampling_trainer


class Trainer(OnTrl, RLOOTrainer):
    """TRL's, on token ids."""


class Rloo:
    """Reward r − β Σ log π/π_ref over the answer's tokens; advantage: it less the mean of the group's others."""

    row_kind: ClassVar[RowKind] = "examples"
    samples: ClassVar[bool] = True
    least: ClassVar[int] = 1
    beta: ClassVar[float] = 0.05
    beta_source: ClassVar[str] = "TRL's for RLOO"
    kl_unit: ClassVar[str] = "nats per token of the sampled answers (mean log-ratio, which can be below 0)"
    curve: ClassVar[dict[str, str]] = CURVE

    @staticmethod
    def rows_per_item(config: PreferenceConfig) -> int:
        return config.group

    encode = staticmethod(encode_prompts)

    @staticmethod
    def trainer(plan: Plan, model: Any, tokenizer: Any, encoded: list[dict[str, Any]], reward: Any) -> Any:
        return sampling_trainer(Trainer, RLOOConfig, plan, model, tokenizer, encoded, reward)
