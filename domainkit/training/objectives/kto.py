"""KTO: answers marked good or bad, one at a time; gains and losses as people weigh them (arXiv 2402.01306)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import ClassVar

from trl import KTOConfig, KTOTrainer

from domainkit.corpus.preferences import Marked
from domainkit.models.templates.chat_template import ChatTemplate
from domainkit.training.config import PreferenceConfig
from domainkit.training.examples_to_ids import tokenize_examples
from domainkit.training.objectives import EncodedRow, Objective, Plan, TrainerInputs
from domainkit.training.objectives.trl_overrides import TrlOverrides

BALANCE = 4 / 3
"""Most that all good answers together may outweigh all bad ones (arXiv 2402.01306, equation 8)."""


class Trainer(TrlOverrides, KTOTrainer):
    """TRL's, on token ids."""


class Kto(Objective):
    """Loss 1 − σ(±β (log π/π_ref(answer) − z)), where z is the KL estimated on answers to other prompts."""

    trl = (Trainer, KTOConfig)
    row_kind = "marked"
    least = 2
    beta = 0.1
    beta_source = "KTO's own code, ContextualAI/HALOs (arXiv 2402.01306)"
    kl_unit = "nats per answer, of answers put to other prompts, at least 0"
    curve: ClassVar[dict[str, str]] = {
        "kl": "kl",
        "margin": "rewards/margins",
        "reward_chosen": "rewards/chosen",
        "reward_rejected": "rewards/rejected",
    }

    @classmethod
    def encode(
        cls, rows: Sequence[Marked], template: ChatTemplate, max_length: int, config: PreferenceConfig
    ) -> list[EncodedRow]:
        """In the order of training: TRL takes the rows as they come, and pairs a prompt with the answer before it."""
        order = list(rows)
        random.Random(config.seed).shuffle(order)
        tokenized = tokenize_examples([row.example for row in order], template, max_length)
        answers = [list(r.ids[r.start :]) for r in tokenized]
        return [
            {
                "prompt_ids": list(r.ids[: r.start]),
                "completion_ids": answers[i],
                "KL_completion_ids": answers[i - 1],
                "label": row.good,
            }
            for i, (r, row) in enumerate(zip(tokenized, order, strict=True))
        ]

    @classmethod
    def options(cls, plan: Plan, inputs: TrainerInputs) -> dict[str, object]:
        good, bad = weights(sum(row["label"] for row in inputs.encoded), len(inputs.encoded))
        return {"max_length": None, "desirable_weight": good, "undesirable_weight": bad}


def weights(good: int, rows: int) -> tuple[float, float]:
    """(weight of a good answer, of a bad one): the rarer kind is raised until both kinds weigh about the same."""
    share = good / (rows - good)
    return (1 / share, 1.0) if share < 1 else (1.0, max(1.0, share / BALANCE))
