"""What results.json is made of: what a comparison's answers cost, and what training made the model forget."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from domainkit.results.scored import Difference, Estimate, Noun


class Prices(Noun):
    """What things cost, in `currency`. `machine_hour` is the machine that answered, `training_hour` the one that trained;
    `defaults` names the prices nobody gave."""

    currency: str = "USD"
    machine_hour: float
    training_hour: float
    input_per_million: float | None = None
    """Of a million prompt tokens at a rented model; None: no such price is known."""
    output_per_million: float | None = None
    label: float = 0.0
    """Of one labelled example."""
    defaults: tuple[str, ...] = ()
    source: str = ""


class VariantCost(Noun):
    """What one variant costs in the prices' currency. `per_thousand` questions and `per_correct` answer (graded tasks: per whole
    unit of score) carry their 95 % interval over the questions asked; `tokens_per_thousand` is the same at the token price."""

    name: str
    paid_by: Literal["machine time", "tokens"]
    per_thousand: Estimate
    per_correct: Estimate
    tokens_per_thousand: float | None = None
    training: float | None = 0.0
    """Before the first question: the training; None where it is not known, and `reason` says why."""
    labels: float = 0.0
    """Before the first question: the labelled examples."""
    reason: str = ""

    @property
    def fixed(self) -> float | None:
        return None if self.training is None else self.training + self.labels


class BreakEven(Noun):
    """From how many questions on `variant`, which costs more before the first one, is cheaper than `rival`.

    "from": at `questions`, with its 95 % interval; `high` None: the interval has no upper end. "at once": from the first question.
    "never": `reason` says why. "unknown": a cost is missing.
    """

    variant: str
    rival: str
    state: Literal["from", "at once", "never", "unknown"]
    questions: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    rival_worse: bool = False
    """Whether the rival is shown to answer worse: it is cheap, but no equal."""


class Cost(Noun):
    """`break_even` sets the recommended variant, or the best tuned one, against the others; the first is the rival that matters
    most: the cheapest one not shown to be worse, or else the best."""

    prices: Prices
    variants: tuple[VariantCost, ...]
    break_even: tuple[BreakEven, ...] = ()
    reason: str = ""
    """Why there is no break-even, where there is none."""


class LostQuestion(Noun):
    """A general question the base answered right and the adapter no longer does."""

    id: str
    question: str
    right: str
    now: str
    group: str = ""


class GeneralText(Noun):
    """Bits per byte of general text, lower is better: the model's surprise, whatever its tokens. `difference` is adapter - base
    with its 95 % interval over `n` passages."""

    base: float
    tuned: float
    difference: float
    low: float | None = None
    high: float | None = None
    n: int = 0
    bytes: int = 0
    source: str = ""


Gate = Literal["passed", "failed", "cannot tell yet"]


class Forgetting(Noun):
    """What the adapter cost the base's general knowledge: multiple choice by log-likelihood, the same questions with and without it.

    `gate` "passed": the interval of the difference lies above -`margin`; "failed": below it; `needed` is how many questions
    would let it pass at 80 % power were the difference as observed.
    """

    base: Estimate
    tuned: Estimate
    difference: Difference
    gate: Gate
    margin: float
    needed: int | None = None
    groups: dict[str, tuple[Estimate, Estimate]] = Field(default_factory=dict)
    """By the questions' source: base and adapter."""
    lost: tuple[LostQuestion, ...] = ()
    gained: int = 0
    text: GeneralText | None = None
    source: str = ""
    fingerprint: str = ""
    seconds: float | None = None
    """Compute of all answers, base and adapter, over every sitting."""
