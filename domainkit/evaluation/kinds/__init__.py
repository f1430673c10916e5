"""The table of kinds of task: one file and one line each.

A file declares a `TaskKind`: how a row becomes a question of this kind, what a prompt tells the model, what an answer
is held to, which models without a language model stand beside it, and how the report shows one answer. Its metrics
are in `domainkit.evaluation.metrics`, and name the kind. Targets, references and answers are text everywhere: a list,
an object or calls are their JSON.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from domainkit.corpus.example import Example
from domainkit.evaluation.task import Kind, Sample, Task
from domainkit.messages import JsonObject
from domainkit.registry import Table

if TYPE_CHECKING:
    from domainkit.evaluation.classical import Fit, Vectors


@dataclass(frozen=True)
class Draft:
    """The rows of a task whose kind is not decided yet, and what was given beside them."""

    where: str
    """The source of the questions, as messages name it."""
    file: Path
    rows: tuple[Example, ...]
    samples: tuple[Sample, ...]
    """Of the rows, one for one."""
    train: tuple[Example, ...] = ()
    """The training rows, where they were given."""
    labels: tuple[str, ...] = ()
    """The labels that are listed."""
    labels_origin: str = ""
    """Where they are listed, for messages."""
    schema: JsonObject | None = None
    """The JSON Schema that was given."""


@dataclass(frozen=True)
class Part:
    """One line of an answer as the report shows it, beside what was expected."""

    name: str
    expected: str
    """"" where nothing was."""
    given: str
    """"" where the answer does not have it."""
    status: Literal["match", "mismatch", "omission", "invention", "empty"]
    """empty: nothing was expected, and nothing is there."""


def _as_it_is(example: Example, task: Task) -> Example:
    return example


def _commonest(targets: Sequence[str]) -> str:
    counts = Counter(targets)
    return min(counts, key=lambda target: (-counts[target], target))


def _own_target(example: Example) -> str:
    return example.target


def _nothing_told(task: Task) -> dict[str, str]:
    return {}


def _not_held(task: Task) -> JsonObject:
    return {}


@dataclass(frozen=True)
class TaskKind:
    """One kind of task."""

    name: Kind
    title: Callable[[int], str]
    """What a model does, for the report; from the number of labels."""
    recognise: Callable[[Draft], str]
    """Why the rows are of this kind; "" where they are not. The kinds are asked in the table's order."""
    complete: Callable[[Draft, Task], Task]
    """The task with what this kind needs: its labels, its schema, its targets in one form. Raises DataError with every
    row that is not of this kind."""
    models: Callable[[Vectors], Mapping[str, Fit]]
    """The models without a language model that this machine can fit, by name, the cheapest first."""
    prompt_values: Callable[[Task], dict[str, str]] = _nothing_told
    """What replaces the {placeholders} of the prompt chains/prompts/<name>.md, beside {labels}."""
    constraint: Callable[[Task], JsonObject] = _not_held
    """What `DomainLLM.bind` takes so that every answer is one of this kind; empty where nothing holds it."""
    provider_constraint: Callable[[Task], JsonObject] | None = None
    """The same for a provider's model, which takes no regular expression; None where `constraint` serves both."""
    target: Callable[[Example], str] = _own_target
    """A solved example's target in the form of this kind's samples."""
    learnt: Callable[[Example, Task], Example] = _as_it_is
    """A solved example as it is trained on, and shown in prompts."""
    commonest: Callable[[Sequence[str]], str] = _commonest
    """The commonest of the training rows' targets."""
    noun: str = "answer"
    """What a target is called in messages."""
    trivial_needs_train: bool = False
    """Whether only training rows tell the commonest answer. Else the input copied is a trivial answer, too."""
    leaks_by_answer: bool = False
    """Whether a test answer that stands in a solved example is a leak: where answers are long enough to tell."""
    leak_text: Callable[[str], str] = str
    """What of a target is looked for there."""
    answer_tokens: int = 32
    """Room for an answer where no training row shows how long one is."""
    full_marks: str = "full scores"
    """What the cost of a right answer is counted in."""
    metric: str = ""
    """The metric that stands in where the primary one costs money or a model's time."""
    view: Callable[[Sample, str, Task], Sequence[Part]] | None = None
    """From (question, answer) to the parts that the report lists; None where the texts side by side say it."""


KINDS: Table[TaskKind] = Table(
    "kind of task",
    {
        "calls": "domainkit.evaluation.kinds.calls:CALLS",
        "fields": "domainkit.evaluation.kinds.fields:FIELDS",
        "labels": "domainkit.evaluation.kinds.labels:LABELS",
        "label": "domainkit.evaluation.kinds.label:LABEL",
        "text": "domainkit.evaluation.kinds.text:TEXT",
        "answer": "domainkit.evaluation.kinds.answer:ANSWER",
    },
)


def kind_of(name: str) -> TaskKind:
    """The kind of that name. Raises ConfigError with the nearest one."""
    return KINDS.load(name)


def recognise(draft: Draft) -> tuple[TaskKind, str]:
    """The kind of the rows, and the reason."""
    for name in KINDS:
        kind = kind_of(name)
        if why := kind.recognise(draft):
            return kind, why
    raise AssertionError("the last kind of the table takes every row")


__all__ = ["KINDS", "Draft", "Part", "TaskKind", "kind_of", "recognise"]
