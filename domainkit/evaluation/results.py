"""results.json: everything a report needs, in one versioned file.

The report is made from this file alone. A value that could not be had is None with a reason beside it, never NaN and never a
silent 0. Shares and scores are fractions in [0, 1]; differences are fractions in [-1, 1]; durations are seconds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from domainkit.errors import DataError, Problem
from domainkit.evaluation.task import Kind
from domainkit.evaluation.variant import Family
from domainkit.storage import write_text

SCHEMA: Literal["domainkit.results/1"] = "domainkit.results/1"
PORTFOLIO_SCHEMA: Literal["domainkit.portfolio/1"] = "domainkit.portfolio/1"
State = Literal["BETTER", "WORSE", "EQUIVALENT", "CANNOT TELL YET"]


N = TypeVar("N", bound="Noun")


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
    the answer; None where the variant reports none."""

    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    seconds_per_item: float | None = None
    prefill_seconds_per_item: float | None = None
    decode_seconds_per_item: float | None = None


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


ActionKind = Literal[
    "mend-errors", "mend-leaks", "mend-parsing", "mend-retrieval", "mend-prompt", "label-test", "label-train",
    "train", "train-with-context", "stronger-base", "confirm", "stop",
]  # fmt: skip


class Action(Noun):
    """One thing to do next: `sentence` says what, `evidence` the figures behind it, `gain` what it may bring at most, as a
    fraction of the score, where that can be said."""

    kind: ActionKind
    sentence: str
    evidence: tuple[str, ...] = ()
    gain: float | None = None


class CurvePoint(Noun):
    """A score at `n` training examples, seen or forecast, with its interval."""

    n: int
    value: float
    low: float | None = None
    high: float | None = None


class LearningCurve(Noun):
    """How `variant`'s score grows with training examples; `forecast` at `level`, empty where `reason` says why."""

    variant: str
    points: tuple[CurvePoint, ...]
    forecast: tuple[CurvePoint, ...] = ()
    level: float = 0.95
    reason: str = ""


class Recipe(Noun):
    """`variant` with adapters trained alike but for their `seeds` (the comparison's own first): `by_seed` their scores, `score`
    and `difference` (to `baseline`, paired by item) over items and seeds, both as if drawn at random. So it speaks of the recipe,
    where the variant's own figures speak of one adapter. 95 %, not adjusted for several variants."""

    variant: str
    baseline: str
    seeds: tuple[int, ...]
    by_seed: tuple[float, ...]
    score: Estimate
    difference: Estimate | None = None
    """None where the variant is the baseline."""
    state: State | None = None


class Verdict(Noun):
    """The answer to "prompt, retrieve or fine-tune?".

    `choice` is the recommended variant's name; `answer` one of "use a classical model", "prompt", "retrieve", "fine-tune",
    "fine-tune and retrieve", "custom", "cannot tell yet"; `headline` one sentence; `reasons` the evidence in sentences, `cautions` what limits it,
    `next_steps` what to do now. `tied` lists variants not told apart from the choice.
    """

    answer: str
    choice: str
    headline: str
    reasons: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
    tied: tuple[str, ...] = ()
    action: Action | None = None
    """The next best action: the first of `next_steps`, with its evidence."""


class TaskFacts(Noun):
    name: str
    kind: Kind
    n: int
    labels: int = 0
    primary_metric: str
    fingerprint: str
    source: str = ""
    train_rows: int = 0
    corpus_documents: int = 0
    why_kind: str = ""


class RacedOut(Noun):
    """A variant the race stopped asking: after `answered` questions it was clearly worse than `better`."""

    answered: int
    better: str


class Race(Noun):
    """How a comparison was raced: after every `block` questions, in a random order drawn from `seed`, a variant clearly worse
    than another at `alpha` (all pairs, any stopping) stopped being asked. `questions` of `of` were asked, and `answers` of
    `of_answers` given."""

    alpha: float
    block: int
    seed: int
    questions: int
    of: int
    answers: int
    of_answers: int
    out: dict[str, RacedOut] = {}


LeakSet = Literal["train", "index", "dev"]


class LeakPair(Noun):
    """A test question's id, and the row or document it also stands in; `similarity` in [0, 1] as the level measures it."""

    test: str
    source: str
    text: str = ""
    similarity: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_two(cls, value: Any) -> Any:
        """Files of before had (test, source) alone."""
        return {"test": value[0], "source": value[1]} if isinstance(value, list | tuple) and len(value) == 2 else value


class Leak(Noun):
    """Test questions also found in one set, at one level: "exact", "ngram", "near", "answer" or "embedding".

    `against` is "train" (also the few-shot pool), "index" (the retrieved documents) or "dev". `counted` levels are left out of
    the clean subset; `unchecked` says why a level could not be looked at. `pairs` are the first 50.
    """

    level: str
    count: int
    pairs: tuple[LeakPair, ...] = ()
    against: LeakSet = "train"
    counted: bool = True
    threshold: float | None = None
    unchecked: str = ""


class SetUse(Noun):
    """How often these test questions (by content, not by file) were looked at on this machine, this time included.

    `comparisons` counts different settings as "test", `for_choosing` as "dev"; a run repeated as it was is one. `purpose` is this
    run's. `unknown` says why it could not be counted.
    """

    purpose: Literal["test", "dev"] = "test"
    comparisons: int = 0
    for_choosing: int = 0
    first: str = ""
    unknown: str = ""


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
    groups: dict[str, tuple[Estimate, Estimate]] = {}
    """By the questions' source: base and adapter."""
    lost: tuple[LostQuestion, ...] = ()
    gained: int = 0
    text: GeneralText | None = None
    source: str = ""
    fingerprint: str = ""
    seconds: float | None = None
    """Compute of all answers, base and adapter, over every sitting."""


class Results(Noun):
    """A finished comparison."""

    schema_version: Literal["domainkit.results/1"] = SCHEMA
    task: TaskFacts
    baseline: str
    variants: tuple[VariantResult, ...]
    """In the ladder's order, from simple to combined."""
    left_out: dict[str, str] = {}
    """Variant name to the reason it did not run."""
    verdict: Verdict
    items: tuple[Item, ...]
    passages: dict[str, Passage] = {}
    """Texts of every passage an answer was given, by id."""
    training: TrainingReceipt | None = None
    leaks: tuple[Leak, ...] = ()
    curves: tuple[LearningCurve, ...] = ()
    recipes: tuple[Recipe, ...] = ()
    """Where adapters of several seeds were given."""
    test_use: SetUse | None = None
    cost: Cost | None = None
    forgetting: Forgetting | None = None
    race: Race | None = None
    """Set when the comparison was raced: its intervals and p values are then always-valid ones."""
    model: dict[str, Any] = {}
    """Identity of base and adapter: name, revision, quantisation, hashes."""
    environment: dict[str, Any] = {}
    """Versions, hardware, and the command that made this file."""
    created: str = ""
    seconds: float | None = None

    def save(self, path: Path) -> None:
        write_text(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read results.json (`path` may be the run folder). Raises DataError naming what does not fit."""
        return _parse(cls, SCHEMA, *_read(path))


class Portfolio(Noun):
    """Several comparisons of one domain, reported together: each task may have its own verdict."""

    schema_version: Literal["domainkit.portfolio/1"] = PORTFOLIO_SCHEMA
    title: str
    comparisons: tuple[Results, ...]

    def save(self, path: Path) -> None:
        write_text(path, self.model_dump_json(indent=1) + "\n")


def load_results(path: Path) -> Results | Portfolio:
    """Read results.json (`path` may be the run folder), of one comparison or of several. Raises DataError as `Results.load`."""
    file, text = _read(path)
    try:
        schema = json.loads(text).get("schema_version")
    except (ValueError, AttributeError):
        schema = None
    if schema == PORTFOLIO_SCHEMA:
        return _parse(Portfolio, PORTFOLIO_SCHEMA, file, text)
    return _parse(Results, SCHEMA, file, text)


NEXT_STEP = "give the folder a finished `domainkit compare --out` wrote"


def _read(path: Path) -> tuple[Path, str]:
    file = path / "results.json" if path.is_dir() else path
    try:
        return file, file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise DataError([Problem(str(file), None, f"cannot be read: {e}", NEXT_STEP)]) from e


def _parse(noun: type[N], schema: str, file: Path, text: str) -> N:
    try:
        return noun.model_validate_json(text)
    except ValidationError as e:
        first = e.errors()[0]
        place = ".".join(str(p) for p in first["loc"])
        what = f"is not a {schema} file: {place or 'the file'}: {first['msg']}"
        raise DataError([Problem(str(file), None, what, NEXT_STEP)]) from e
