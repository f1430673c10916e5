"""Measurements on held-out text of a model made from an adapter: how much of the tune is left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from pydantic import BaseModel, ConfigDict
from torch.nn.functional import cross_entropy

from domainkit.corpus.document import Document
from domainkit.models.language_model import rope_boundary
from domainkit.models.templates.chat_template import ChatTemplate
from domainkit.training.batches import pad, split
from domainkit.training.examples_to_ids import TokenizedExample, tokenize_documents
from domainkit.training.objectives.supervised import supervised_logits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from domainkit.adapters.tuned_model import AdaptedModel

MIN_GAIN = 0.01
"""Nats per target token below which an adapter counts as teaching nothing about the held-out text."""
MAX_DRIFT = 0.05
"""Nats per target token by which a merge may differ where the adapter gains nothing."""


@dataclass(frozen=True, slots=True)
class HeldOutScore:
    """A model on held-out targets: mean negative log-likelihood in nats; its likeliest token at each target, (n,)."""

    nll: float
    choices: torch.Tensor


class HeldOutComparison(BaseModel):
    """How a merge compares with the adapter it was made from, on held-out text. NLLs are in nats per target token."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    candidate: str
    """What was measured: dequantised, original, or a combination's name."""
    examples: int
    tokens: int
    """Target tokens of the held-out examples."""
    base_nll: float
    adapter_nll: float
    """The adapter over the base it was trained on; of several adapters, the best one's."""
    merged_nll: float
    """Of the weights as they were read back from the disk."""
    kept: float | None
    """Share of the adapter's gain over the base that is left: 1 is all of it; None when it gains nothing on this
    text.
    """
    agreement: float
    """Share of target tokens at which the adapter and the merge find the same token likeliest."""
    nf4_nll: float | None = None
    """The merged weights rounded to NF4 once more: what serving the folder in 4 bits gives."""

    @property
    def nf4_kept(self) -> float | None:
        """As `kept`, in 4 bits."""
        return None if self.nf4_nll is None else share_kept(self.base_nll, self.adapter_nll, self.nf4_nll)

    def holds(self, keep: float, agree: float = 0.0) -> bool:
        """Whether at least the share `keep` of the gain is left, and `agree` of the next tokens.

        Without a gain the NLL must be the same, unless `keep` asks for none.
        """
        unmoved = keep <= 0 or abs(self.merged_nll - self.adapter_nll) <= MAX_DRIFT
        same = unmoved if self.kept is None else self.kept >= keep
        return same and self.agreement >= agree

    def __str__(self) -> str:
        kept = "the adapter gains nothing here" if self.kept is None else f"{self.kept:.1%} of the tune is kept"
        return (
            f"NLL {self.merged_nll:.3f} merged ({self.candidate}), {self.adapter_nll:.3f} as trained, "
            f"{self.base_nll:.3f} base; {kept}; "
            f"the same next token at {self.agreement:.1%} of {self.tokens:,} target tokens"
        )


def share_kept(base: float, adapter: float, merged: float) -> float | None:
    """Share of the gain from `base` to `adapter` that `merged` has; None when the adapter hardly gains."""
    return (base - merged) / (base - adapter) if base - adapter >= MIN_GAIN else None


def compare_held_out(
    candidate: str,
    base: HeldOutScore,
    adapter: HeldOutScore,
    merged: HeldOutScore,
    examples: int,
    nf4: HeldOutScore | None = None,
) -> HeldOutComparison:
    """The proof that three measurements on the same examples give."""
    return HeldOutComparison(
        candidate=candidate,
        examples=examples,
        tokens=len(adapter.choices),
        base_nll=round(base.nll, 5),
        adapter_nll=round(adapter.nll, 5),
        merged_nll=round(merged.nll, 5),
        kept=share_kept(base.nll, adapter.nll, merged.nll),
        agreement=float((adapter.choices == merged.choices).float().mean()),
        nf4_nll=None if nf4 is None else round(nf4.nll, 5),
    )


@torch.no_grad()
def measure_held_out(
    model: PreTrainedModel | AdaptedModel, tokenized: Sequence[TokenizedExample], pad_id: int, max_tokens: int = 2048
) -> HeldOutScore:
    """The model on the supervised tokens of `tokenized`; always in the same order, so that choices can be compared."""
    was_training = model.training
    model.eval()
    total, choices = 0.0, []
    try:
        for group in split(tokenized, max_tokens, packing=False, boundary=rope_boundary(model.config)):
            one = pad(group, pad_id).to(model.device)
            logits = supervised_logits(model, one)
            total += float(cross_entropy(logits, one.targets, reduction="sum"))
            choices.append(logits.argmax(-1).cpu())
    finally:
        model.train(was_training)
    predictions = torch.cat(choices)
    return HeldOutScore(total / len(predictions), predictions)


def bits_per_byte(
    model: PreTrainedModel | AdaptedModel, documents: Sequence[Document], template: ChatTemplate, block: int
) -> float:
    """How well the model predicts plain text, in rows of at most `block` tokens: lower is better, for any tokenizer."""
    tokenized = tokenize_documents(documents, template, block)
    nats = measure_held_out(model, tokenized, template.tokenizer.pad_token_id).nll * sum(
        r.supervised for r in tokenized
    )
    return nats / math.log(2) / sum(len(d.text.encode()) for d in documents)
