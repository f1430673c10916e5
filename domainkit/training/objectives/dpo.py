"""DPO: pairs of answers; the margin by which the chosen one gains likelihood over the rejected one (arXiv
2305.18290).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from trl import DPOConfig, DPOTrainer

from domainkit.corpus.preferences import Pair
from domainkit.models.chat_template import ChatTemplate
from domainkit.training.config import PreferenceConfig
from domainkit.training.examples_to_ids import tokenize_examples
from domainkit.training.objectives import EncodedRow, Plan, RewardFunction, RowKind
from domainkit.training.objectives.trl_overrides import TrlOverrides, arguments, build

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from domainkit.adapters.tuned_model import AdaptedModel


class Trainer(TrlOverrides, DPOTrainer):
    """TRL's, on token ids."""


class Dpo:
    """Loss −log σ(β (log π/π_ref(chosen) − log π/π_ref(rejected))), log-ratios summed over the answers' tokens."""

    row_kind: ClassVar[RowKind] = "pairs"
    samples: ClassVar[bool] = False
    least: ClassVar[int] = 1
    beta: ClassVar[float] = 0.1
    beta_source: ClassVar[str] = "DPO's (arXiv 2305.18290, appendix B)"
    kl_unit: ClassVar[str] = ""
    curve: ClassVar[dict[str, str]] = {
        "margin": "rewards/margins",
        "accuracy": "rewards/accuracies",
        "reward_chosen": "rewards/chosen",
        "reward_rejected": "rewards/rejected",
    }

    @staticmethod
    def rows_per_item(config: PreferenceConfig) -> int:
        return 2

    @staticmethod
    def encode(
        rows: Sequence[Pair], template: ChatTemplate, max_length: int, config: PreferenceConfig
    ) -> list[EncodedRow]:
        sides = [
            tokenize_examples([getattr(r, side) for r in rows], template, max_length) for side in ("chosen", "rejected")
        ]
        return [
            {
                "prompt_ids": list(c.ids[: c.start]),
                "chosen_ids": list(c.ids[c.start :]),
                "rejected_ids": list(r.ids[r.start :]),
            }
            for c, r in zip(*sides, strict=True)
        ]

    @staticmethod
    def trainer(
        plan: Plan,
        model: AdaptedModel,
        tokenizer: PreTrainedTokenizerBase,
        encoded: list[EncodedRow],
        reward: RewardFunction | None,
    ) -> TrlOverrides:
        args = arguments(DPOConfig, plan, max_length=None)
        return build(Trainer, plan, model, tokenizer, encoded, args)
