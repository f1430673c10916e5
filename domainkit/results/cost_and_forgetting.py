"""What a comparison's answers cost, and what training made the model forget."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from domainkit.results.answers import Difference, Estimate, JsonObject, Record


class Prices(Record):
    """What things cost, in `currency`."""

    currency: str = "USD"
    machine_hour: float
    """Of the machine that answered."""
    training_hour: float
    """Of the machine that trained."""
    input_per_million: float | None = None
    """Of a million prompt tokens at a rented model; None: the price is not known."""
    output_per_million: float | None = None
    label: float = 0.0
    """Of one labelled example."""
    defaults: tuple[str, ...] = ()
    """The prices that are domainkit's own defaults."""
    source: str = ""


class VariantCost(Record):
    """What one variant costs, in the prices' currency; intervals are over the questions asked."""

    name: str
    paid_by: Literal["machine time", "tokens"]
    per_thousand: Estimate
    """1,000 questions."""
    per_correct: Estimate
    """One right answer; graded tasks: one whole unit of score."""
    tokens_per_thousand: float | None = None
    """1,000 questions at the token price, whatever `paid_by`."""
    training: float | None = 0.0
    """Before the first question: the training; None where it is not known, and `reason` says why."""
    labels: float = 0.0
    """Before the first question: the labelled examples."""
    reason: str = ""

    @property
    def fixed(self) -> float | None:
        """All that is paid before the first question."""
        return None if self.training is None else self.training + self.labels


class BreakEven(Record):
    """From how many questions on `variant`, which costs more before the first one, is cheaper than `rival`."""

    variant: str
    rival: str
    state: Literal["from", "at once", "never", "unknown"]
    """"from": from `questions` on. "at once": from the first question. "never": `reason` says why. "unknown": a cost
    is missing."""
    questions: float | None = None
    low: float | None = None
    high: float | None = None
    """End of the 95 % interval; None: it has no upper end."""
    reason: str = ""
    rival_worse: bool = False
    """Whether the rival answers clearly worse: it may be cheap, but it is not as good."""


class JudgeCost(Record):
    """What a judge's replies cost, once, in the prices' currency."""

    metric: str
    money: float | None = None
    """None: `reason` says why it is not known."""
    reason: str = ""


class Cost(Record):
    """The cost of every variant, and from how many questions on training pays."""

    prices: Prices
    variants: tuple[VariantCost, ...]
    break_even: tuple[BreakEven, ...] = ()
    """The recommended variant, or the best trained one, against each other variant. The first rival is the one that
    matters most: the cheapest that is not shown to be worse, or else the best."""
    reason: str = ""
    """Why there is no break-even, where there is none."""
    judges: tuple[JudgeCost, ...] = ()
    """Empty where no metric was a chat model; then it is not written."""

    @model_serializer(mode="wrap")
    def _drop_absent(self, write: SerializerFunctionWrapHandler) -> JsonObject:
        fields: JsonObject = write(self)
        if not self.judges:
            fields.pop("judges", None)
        return fields

    @property
    def main_break_even(self) -> BreakEven | None:
        """Against the rival that matters most."""
        return self.break_even[0] if self.break_even else None


class LostQuestion(Record):
    """A general question the base answered right and the adapter no longer does."""

    id: str
    question: str
    right: str
    now: str
    group: str = ""


class GeneralText(Record):
    """Bits per byte of general text, lower is better: the model's surprise, whatever its tokenizer."""

    base: float
    tuned: float
    difference: float
    """Adapter - base; `low` and `high` are its 95 % interval over `n` passages."""
    low: float | None = None
    high: float | None = None
    n: int = 0
    bytes: int = 0
    source: str = ""


Gate = Literal["passed", "failed", "cannot tell yet"]


class Forgetting(Record):
    """How much general knowledge the base loses with the adapter, measured by multiple-choice questions."""

    base: Estimate
    tuned: Estimate
    difference: Difference
    gate: Gate
    """"passed": the interval of the difference lies above -`margin`; "failed": below it."""
    margin: float
    needed: int | None = None
    """Questions that would let the gate pass at 80 % power, if the true difference is the observed one."""
    groups: dict[str, tuple[Estimate, Estimate]] = Field(default_factory=dict)
    """By the questions' source: (base, adapter)."""
    lost: tuple[LostQuestion, ...] = ()
    gained: int = 0
    """Questions the adapter answers right and the base does not."""
    text: GeneralText | None = None
    source: str = ""
    fingerprint: str = ""
    seconds: float | None = None
    """Compute of all answers, base and adapter, over all resumed runs."""
