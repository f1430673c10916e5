"""The verdict, what to do next, and what limits both: leaked questions and questions used often."""

from __future__ import annotations

from typing import Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from domainkit.results.answers import JsonObject, Record
from domainkit.results.shown import VIEWS

ActionKind = Literal[
    "mend-errors",
    "mend-leaks",
    "mend-parsing",
    "mend-retrieval",
    "mend-prompt",
    "label-test",
    "label-train",
    "train",
    "train-with-context",
    "stronger-base",
    "confirm",
    "stop",
]


class Action(Record):
    """One thing to do next."""

    kind: ActionKind
    sentence: str
    evidence: tuple[str, ...] = ()
    """The figures behind it, as phrases."""
    gain: float | None = None
    """What it may bring at most, as a fraction of the score; None where that is not known."""


class WithoutLeaks(Record):
    """The verdict on the questions that did not leak."""

    answer: str
    choice: str
    changed: bool
    """Whether answer or choice differ from the verdict on all questions."""


class Verdict(Record):
    """The answer to "prompt, retrieve or fine-tune?"."""

    answer: str
    """One of `verdict.ANSWERS` or `verdict.CANNOT_TELL`, as "fine-tune and retrieve"; "prompt with gpt" where a model
    beside the base answers."""
    choice: str
    """Name of the recommended variant; "" where nothing could be scored."""
    headline: str
    """One sentence."""
    reasons: tuple[str, ...] = ()
    """The evidence, in sentences."""
    cautions: tuple[str, ...] = ()
    """What limits the verdict."""
    next_steps: tuple[str, ...] = ()
    tied: tuple[str, ...] = ()
    """Variants that cannot be distinguished from the choice."""
    action: Action | None = None
    """The next best action: the first of `next_steps`, with its evidence."""
    without_leaks: WithoutLeaks | None = None
    """None where no question leaked, or every question did; then it is not written."""

    @model_serializer(mode="wrap")
    def _drop_absent(self, write: SerializerFunctionWrapHandler) -> JsonObject:
        fields: JsonObject = write(self)
        if self.without_leaks is None:
            fields.pop("without_leaks", None)
        return fields

    def _repr_html_(self) -> str:
        return str(VIEWS.load("verdict")(self))


LeakSet = Literal["train", "index", "dev"]
"""The training rows (also the few-shot pool), the retrieved documents, the development questions."""
LeakLevel = Literal["exact", "ngram", "near", "answer", "embedding"]
"""How a test question was recognised; `verdict.leakage.find_leaks` explains each."""


class LeakPair(Record):
    """A test question, and the row or document it was found in."""

    test: str
    """The question's id."""
    source: str
    text: str = ""
    """What stands there."""
    similarity: float | None = None
    """In [0, 1], as the level measures it."""


class Leak(Record):
    """Test questions also found in one set, at one level."""

    level: LeakLevel
    count: int
    pairs: tuple[LeakPair, ...] = ()
    """The first 50."""
    against: LeakSet = "train"
    counted: bool = True
    """Whether its questions count as leaked, and are left out of the clean subset."""
    threshold: float | None = None
    """The least similarity, where the level has one."""
    unchecked: str = ""
    """Why the level could not be checked."""


class SetUse(Record):
    """How often these test questions, by content, were used on this machine, this time included."""

    purpose: Literal["test", "dev"] = "test"
    """Of this run."""
    comparisons: int = 0
    """Different settings compared with purpose "test"; the same run repeated counts once."""
    for_choosing: int = 0
    """Different settings compared with purpose "dev"."""
    first: str = ""
    """UTC, ISO 8601."""
    unknown: str = ""
    """Why the uses could not be counted."""
