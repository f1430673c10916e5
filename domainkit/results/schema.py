"""results.json: everything a report needs, in one versioned file.

The report is made from this file alone. A value that could not be had is None with a reason beside it, never NaN and never a
silent 0. Shares and scores are fractions in [0, 1]; differences are fractions in [-1, 1]; durations are seconds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator

from domainkit.errors import DataError, Problem
from domainkit.evaluation.task import Kind
from domainkit.results.consequences import (
    BreakEven,
    Cost,
    Forgetting,
    Gate,
    GeneralText,
    LostQuestion,
    Prices,
    VariantCost,
)
from domainkit.results.scored import (
    AnswerRow,
    Difference,
    Estimate,
    Item,
    Latency,
    Noun,
    Passage,
    State,
    TrainingReceipt,
    Usage,
    VariantResult,
)
from domainkit.storage import write_text

SCHEMA: Literal["domainkit.results/1"] = "domainkit.results/1"
PORTFOLIO_SCHEMA: Literal["domainkit.portfolio/1"] = "domainkit.portfolio/1"
N = TypeVar("N", bound=Noun)


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
    out: dict[str, RacedOut] = Field(default_factory=dict)


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


class Results(Noun):
    """A finished comparison."""

    schema_version: Literal["domainkit.results/1"] = SCHEMA
    task: TaskFacts
    baseline: str
    variants: tuple[VariantResult, ...]
    """In the ladder's order, from simple to combined."""
    left_out: dict[str, str] = Field(default_factory=dict)
    """Variant name to the reason it did not run."""
    verdict: Verdict
    items: tuple[Item, ...]
    passages: dict[str, Passage] = Field(default_factory=dict)
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
    model: dict[str, Any] = Field(default_factory=dict)
    """Identity of base and adapter: name, revision, quantisation, hashes."""
    environment: dict[str, Any] = Field(default_factory=dict)
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


__all__ = [
    "NEXT_STEP",
    "PORTFOLIO_SCHEMA",
    "SCHEMA",
    "Action",
    "ActionKind",
    "AnswerRow",
    "BreakEven",
    "Cost",
    "CurvePoint",
    "Difference",
    "Estimate",
    "Forgetting",
    "Gate",
    "GeneralText",
    "Item",
    "Latency",
    "Leak",
    "LeakPair",
    "LeakSet",
    "LearningCurve",
    "LostQuestion",
    "Noun",
    "Passage",
    "Portfolio",
    "Prices",
    "Race",
    "RacedOut",
    "Recipe",
    "Results",
    "SetUse",
    "State",
    "TaskFacts",
    "TrainingReceipt",
    "Usage",
    "VariantCost",
    "VariantResult",
    "Verdict",
    "load_results",
]
