"""The options of `distil`; each field's meaning is written once, under it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from domainkit.evaluation.task import Kind
from domainkit.synthesis.asking.config import AskingConfig


class DistilConfig(AskingConfig):
    """How a teacher answers questions, and which of its answers become rows."""

    kind: Kind | None = None
    """Kind of task: label, answer, labels (several), fields (a JSON object), text or calls; left out, --like tells."""
    variant: Literal["zero-shot", "few-shot", "knn-few-shot", "tuned"] | None = None
    """How a chat model is asked, as in a comparison; left out, few-shot where --like has solved examples, else
    zero-shot; an adapter is asked the bare question (tuned)."""
    shots: int = Field(default=8, ge=1)
    """Solved examples of --like in a prompt."""
    samples: int = Field(default=1, ge=1, le=64)
    """Answers asked for to each question. With two or more, an answer is kept where enough of them agree."""
    agreement: float = Field(default=0.6, gt=0, le=1)
    """Least share of the samples that agree: with the same label, or by the mean score of the task's metric between
    them."""
    temperature: float | None = Field(default=None, ge=0)
    """Of the samples; left out, the teacher's own, and 0.7 for domainkit's models where they answer several times."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Room for an answer of domainkit's own models; left out, 1.5 times the longest target of --like."""
    score: float = Field(default=0.5, gt=0, le=1)
    """Rows that have a target already measure the teacher; its answer is kept where the task's metric gives it this
    score or more."""
    grade: float = Field(default=0.7, ge=0, le=1)
    """Least grade of --judge, from 0 to 1, at which an answer is kept."""
    seed: int = 0
    """Chooses the solved examples, and the samples of domainkit's own models."""
