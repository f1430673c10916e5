"""CompareConfig: what decides a comparison. Each option's meaning is written once, under its field."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from domainkit.evaluation.task import Kind
from domainkit.training.config import Quantization


class CompareConfig(BaseModel):
    """How to compare. The questions, examples, documents and adapter are given apart."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    base: str | None = None
    """Base model; left out, the adapter's, else builtin:smollm2-135m."""
    revision: str | None = None
    """Revision of a hub id (branch, tag or commit)."""
    quantization: Quantization | None = None
    """Frozen weights: nf4, int8, none or auto; left out, as the adapter was trained, else auto."""
    kind: Kind | None = None
    """Task kind: label or answer; left out, it is read from the data, saying why."""
    baseline: str | None = None
    """The variant the others are measured against, declared before the run; left out, the best-known cheap prompt: few-shot,
    else zero-shot, else the first that runs."""
    margin: float = Field(0.02, gt=0, lt=1)
    """Differences within ± this share of the score count as equivalent (0.02 = 2 points)."""
    shots: int = Field(8, ge=1)
    """Solved examples in a few-shot prompt."""
    passages: int = Field(3, ge=1)
    """Passages put before the question by retrieval."""
    retriever: Literal["lexical", "dense", "fused"] = "fused"
    """How passages are found: lexical (BM25), dense (MiniLM), or both fused by rank."""
    decoding: Literal["closed", "free"] = "closed"
    """Label tasks: closed makes every answer one of the labels by grammar; free lets the model write, and counts parse failures."""
    max_tokens: int | None = Field(None, ge=1)
    """Most new tokens per answer; left out, half as many again as the longest training target."""
    batch_size: int = Field(64, ge=1)
    """Questions answered together."""
    latency_items: int = Field(5, ge=0)
    """Questions asked once more one at a time, to time a single answer."""
    seed: int = 0
    """Seeds the choice of fixed examples and every resampling."""
