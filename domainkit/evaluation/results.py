"""results.json: everything a report needs, in one versioned file.

The report is made from this file alone. A value that could not be had is None with a reason beside it, never NaN and never a
silent 0. Shares and scores are fractions in [0, 1]; differences are fractions in [-1, 1]; durations are seconds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

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
    """Tokens per item (means) and compute seconds per item in a batched run; None where the variant reports none."""

    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    seconds_per_item: float | None = None


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
    answers: dict[str, AnswerRow]


class Passage(Noun):
    title: str = ""
    text: str


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


class Leak(Noun):
    """Test items also found in train, by level ("exact" or "near"); `pairs` are (test id, train source) for the reader."""

    level: str
    count: int
    pairs: tuple[tuple[str, str], ...] = ()


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
