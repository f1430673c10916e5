"""What results.json is made of: a comparison's scores and answers.

A value that could not be had is None with a reason beside it, never NaN and never a silent 0. Shares and scores are fractions in
[0, 1]; differences are fractions in [-1, 1]; durations are seconds.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from domainkit.evaluation.variant import Family

State = Literal["BETTER", "WORSE", "EQUIVALENT", "CANNOT TELL YET"]


class Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(Noun):
    """A mean over `n` items with its interval at `level` (confidence), by `method`. `value` None: `reason` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    level: float = 0.95
    method: str = ""
    reason: str = ""


class Difference(Noun):
    """Paired difference variant − baseline of the primary metric on the same items.

    `p` is two-sided and unadjusted, `p_adjusted` is Holm's over all variants; `wins`, `ties`, `losses` count items;
    `needed` is how many items would settle a "CANNOT TELL YET" at 80 % power, None where it does not apply.
    """

    value: float
    low: float
    high: float
    n: int
    wins: int
    ties: int
    losses: int
    p: float
    p_adjusted: float
    state: State
    margin: float
    needed: int | None = None
    method: str = ""


class Usage(Noun):
    """Tokens per item (means) and compute seconds per item in a batched run, of which `prefill` read the prompt and `decode` wrote
    the answer; None where the variant reports none. `memory_bytes` is the most that the process held after a batch: the base is in
    it once, with whatever earlier variants loaded."""

    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    seconds_per_item: float | None = None
    prefill_seconds_per_item: float | None = None
    decode_seconds_per_item: float | None = None
    memory_bytes: int | None = None


class Latency(Noun):
    """One question at a time, alone on the machine: median and worst of `n` timed answers, seconds."""

    median: float | None = None
    worst: float | None = None
    n: int = 0
    reason: str = ""


class TrainingReceipt(Noun):
    """What making the adapter took, from its card."""

    method: str
    examples: int
    tokens: int
    seconds: float
    trainable_parameters: int
    adapter_bytes: int
    final_loss: float | None = None
    hardware: str = ""


class VariantResult(Noun):
    """One variant's scores. `metrics` by metric name; `groups` the primary metric by the samples' group."""

    name: str
    family: Family
    description: str
    settings: dict[str, Any] = {}
    metrics: dict[str, Estimate]
    groups: dict[str, Estimate] = {}
    difference: Difference | None = None
    """Against the baseline; None for the baseline itself."""
    usage: Usage = Usage()
    latency: Latency = Latency()
    failures: int = 0
    """Items the variant raised an error on; they score 0 and are listed."""
    retrieval: dict[str, Estimate] = {}
    """hit@k of the gold document among the k passages given, where the task names gold documents."""
    training: TrainingReceipt | None = None
    """What making its adapter took, where that is another than the comparison's."""


class AnswerRow(Noun):
    """A variant's answer to one item. `scores` by metric; `error` set when the variant raised."""

    text: str
    scores: dict[str, float | None] = {}
    passages: tuple[str, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    error: str | None = None


class Item(Noun):
    """One question with every variant's answer, by variant name."""

    id: str
    input: str
    target: str
    references: tuple[str, ...] = ()
    group: str | None = None
    doc_ids: tuple[str, ...] = ()
    """The gold documents, where the task names them."""
    answers: dict[str, AnswerRow]


class Passage(Noun):
    title: str = ""
    text: str
