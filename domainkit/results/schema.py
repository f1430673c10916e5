"""results.json: everything a report needs, in one versioned file.

The report is made from this file alone. Absence is None with a reason, never NaN and never a silent 0. Shares and
scores are fractions in [0, 1], differences are fractions in [-1, 1], durations are seconds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from domainkit.errors import DataError, Problem
from domainkit.evaluation.task import Kind
from domainkit.results.answers import (
    AnswerPart,
    AnswerRow,
    Difference,
    Estimate,
    Hardware,
    Item,
    JsonObject,
    Latency,
    Passage,
    Record,
    State,
    TrainingReceipt,
    Usage,
    VariantResult,
)
from domainkit.results.cost_and_forgetting import (
    BreakEven,
    Cost,
    Forgetting,
    Gate,
    GeneralText,
    JudgeCost,
    LostQuestion,
    Prices,
    VariantCost,
)
from domainkit.results.curves import CurvePoint, LearningCurve, Recipe
from domainkit.results.judging import JudgedPairs, JudgeFacts
from domainkit.results.leaving import LeavingFacts
from domainkit.results.models import ModelFacts
from domainkit.results.people import (
    ByPeople,
    JudgeMeasured,
    PeopleDifference,
    Preference,
    ReviewersAgree,
)
from domainkit.results.shown import VIEWS, Shown
from domainkit.results.verdict import (
    Action,
    ActionKind,
    Leak,
    LeakLevel,
    LeakPair,
    LeakSet,
    SetUse,
    Verdict,
    WithoutLeaks,
)
from domainkit.storage import write_text

SCHEMA: Literal["domainkit.results/1"] = "domainkit.results/1"
PORTFOLIO_SCHEMA: Literal["domainkit.portfolio/1"] = "domainkit.portfolio/1"
R = TypeVar("R", bound=Record)


class Synthetic(Record):
    """Questions of a task that a model wrote from documents, not a person."""

    questions: int
    writers: tuple[str, ...] = ()
    """The models, by name; empty where the rows do not say."""
    by_own_base: bool = False
    """Whether the base that was compared is one of them."""


class TaskFacts(Record):
    name: str
    kind: Kind
    n: int
    """Questions."""
    labels: int = 0
    primary_metric: str
    fingerprint: str
    source: str = ""
    train_rows: int = 0
    corpus_documents: int = 0
    why_kind: str = ""
    synthetic: Synthetic | None = None
    """None where people wrote every question; then it is not written."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Our fields to the columns of `source`, where they were named; else it is not written."""

    @model_serializer(mode="wrap")
    def _drop_absent(self, write: SerializerFunctionWrapHandler) -> JsonObject:
        fields: JsonObject = write(self)
        if self.synthetic is None:
            fields.pop("synthetic", None)
        if not self.columns:
            fields.pop("columns", None)
        return fields

    @property
    def chance(self) -> float:
        """The score of labels drawn at random; 0 for free answers."""
        return 1 / self.labels if self.kind == "label" and self.labels else 0.0


class RacedOut(Record):
    """A variant the race stopped asking: after `answered` questions it was clearly worse than `better`."""

    answered: int
    better: str


class Race(Record):
    """How a comparison was raced: after every block of questions, a variant clearly worse than another stopped being
    asked."""

    alpha: float
    """Error probability over all pairs of variants and all looks."""
    block: int
    """Questions between two looks."""
    seed: int
    """Of the random order of the questions."""
    questions: int
    """Asked, out of `of`."""
    of: int
    answers: int
    """Made, out of `of_answers`."""
    of_answers: int
    out: dict[str, RacedOut] = Field(default_factory=dict)
    """The variants that were dropped, by name."""


class Results(Shown, Record):
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
    """Texts of every passage that stood in a prompt, by id."""
    training: TrainingReceipt | None = None
    leaks: tuple[Leak, ...] = ()
    curves: tuple[LearningCurve, ...] = ()
    recipes: tuple[Recipe, ...] = ()
    """Where there are adapters of several seeds."""
    test_use: SetUse | None = None
    cost: Cost | None = None
    forgetting: Forgetting | None = None
    race: Race | None = None
    """Set when the comparison was raced: its intervals and p values are then always-valid ones."""
    judges: tuple[JudgeFacts, ...] = ()
    """Empty where no metric was a chat model; then it is not written."""
    judged_pairs: JudgedPairs | None = None
    """Set where a judge compared pairs; else it is not written."""
    models: tuple[ModelFacts, ...] = ()
    """The models, the base first, where variants ran on several; else it is not written."""
    people: ByPeople | None = None
    """Set where people reviewed answers of this run; else it is not written."""
    leaving: LeavingFacts | None = None
    """Set by `leave`: the model that is to be left, and what may take its place; else it is not written."""
    model: JsonObject = Field(default_factory=dict)
    """Identity of base and adapter: name, revision, quantisation, hashes."""
    environment: JsonObject = Field(default_factory=dict)
    """Versions, hardware, and the command that made this file."""
    created: str = ""
    seconds: float | None = None

    @model_serializer(mode="wrap")
    def _drop_absent(self, write: SerializerFunctionWrapHandler) -> JsonObject:
        fields: JsonObject = write(self)
        for name in ("judges", "judged_pairs", "models", "people", "leaving"):
            if not getattr(self, name):
                fields.pop(name, None)
        return fields

    @property
    def machine(self) -> Hardware | None:
        """The machine that answered; None where the file does not name one."""
        recorded = self.environment.get("hardware")
        return Hardware.model_validate(recorded) if isinstance(recorded, dict) else None

    @property
    def failed(self) -> tuple[str, ...]:
        """Variants without a score: all their questions failed, or had an empty answer. They take no part in the
        verdict, and `domainkit compare` then ends with exit code 1."""
        scores = {v.name: v.metrics.get(self.task.primary_metric) for v in self.variants}
        return tuple(name for name, score in scores.items() if score is None or score.value is None)

    def save(self, path: Path) -> None:
        write_text(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read results.json (`path` may be the run folder). Raises DataError naming what does not fit."""
        return _parse(cls, SCHEMA, *_read(path))


class Portfolio(Record):
    """Several comparisons of one domain, reported together: each task may have its own verdict."""

    schema_version: Literal["domainkit.portfolio/1"] = PORTFOLIO_SCHEMA
    title: str
    comparisons: tuple[Results, ...]

    def save(self, path: Path) -> None:
        write_text(path, self.model_dump_json(indent=1) + "\n")

    def _repr_html_(self) -> str:
        return str(VIEWS.load("portfolio")(self))


def load_results(path: Path) -> Results | Portfolio:
    """Read results.json (`path` may be the run folder), of one comparison or of several. Raises DataError as
    `Results.load`."""
    file, text = _read(path)
    try:
        schema = json.loads(text).get("schema_version")
    except (ValueError, AttributeError, RecursionError):  # told below, with the place
        schema = None
    if schema == PORTFOLIO_SCHEMA:
        return _parse(Portfolio, PORTFOLIO_SCHEMA, file, text)
    return _parse(Results, SCHEMA, file, text)


NEXT_STEP = "name the folder that a finished `domainkit compare --out` wrote"


def _read(path: Path) -> tuple[Path, str]:
    file = path / "results.json" if path.is_dir() else path
    try:
        return file, file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise DataError([Problem(str(file), None, f"cannot be read: {e}", NEXT_STEP)]) from e


def _parse(schema_class: type[R], schema: str, file: Path, text: str) -> R:
    try:
        return schema_class.model_validate_json(text)
    except ValidationError as e:
        first = e.errors()[0]
        field = ".".join(str(p) for p in first["loc"])
        what = f"is not a {schema} file: {field or 'the file'}: {first['msg']}"
        raise DataError([Problem(str(file), None, what, NEXT_STEP)]) from e


__all__ = [
    "NEXT_STEP",
    "PORTFOLIO_SCHEMA",
    "SCHEMA",
    "Action",
    "ActionKind",
    "AnswerPart",
    "AnswerRow",
    "BreakEven",
    "ByPeople",
    "Cost",
    "CurvePoint",
    "Difference",
    "Estimate",
    "Forgetting",
    "Gate",
    "GeneralText",
    "Hardware",
    "Item",
    "JsonObject",
    "JudgeCost",
    "JudgeFacts",
    "JudgedPairs",
    "JudgeMeasured",
    "Latency",
    "Leak",
    "LeakLevel",
    "LeakPair",
    "LeakSet",
    "LearningCurve",
    "LeavingFacts",
    "LostQuestion",
    "ModelFacts",
    "Passage",
    "PeopleDifference",
    "Portfolio",
    "Preference",
    "Prices",
    "Race",
    "RacedOut",
    "Recipe",
    "Record",
    "Results",
    "ReviewersAgree",
    "SetUse",
    "State",
    "TaskFacts",
    "TrainingReceipt",
    "Usage",
    "VariantCost",
    "VariantResult",
    "Verdict",
    "WithoutLeaks",
    "load_results",
]
