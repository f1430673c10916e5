"""DPO: pairs of answers; the margin by which the chosen one gains likelihood over the other (arXiv 2305.18290)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from trl import DPOConfig, DPOTrainer

from domainkit.corpus.preferences import Pair
from domainkit.models.templates.chat_template import ChatTemplate
from domainkit.training.config import PreferenceConfig
from domainkit.training.examples_to_ids import tokenize_examples
from domainkit.training.objectives import EncodedRow, Objective
from domainkit.training.objectives.trl_overrides import TrlOverrides


class Trainer(TrlOverrides, DPOTrainer):
    """TRL's, on token ids."""


class Dpo(Objective):
    """Loss −log σ(β (log π/π_ref(chosen) − log π/π_ref(rejected))), log-ratios summed over the answers' tokens."""

    trl = (Trainer, DPOConfig)
    row_kind = "pairs"
    beta = 0.1
    beta_source = "DPO's (arXiv 2305.18290, appendix B)"
    curve: ClassVar[dict[str, str]] = {
        "margin": "rewards/margins",
        "accuracy": "rewards/accuracies",
        "reward_chosen": "rewards/chosen",
        "reward_rejected": "rewards/rejected",
    }

    @classmethod
    def rows_per_item(cls, config: PreferenceConfig) -> int:
        return 2

    @classmethod
    def encode(
        cls, rows: Sequence[Pair], template: ChatTemplate, max_length: int, config: PreferenceConfig
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
