"""What `leave` records: which model is to be left, how it was asked, and what may take its place."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from domainkit.results.answers import Estimate, Record

AskedAs = Literal["rows", "instruction"]
"""rows: the messages of the rows as they are. instruction: behind domainkit's own instruction."""


class TaughtFacts(Record):
    """Questions that the incumbent answered, and what became of them."""

    questions: int
    rows: int
    """Accepted: they joined the training rows."""
    refused: dict[str, int] = Field(default_factory=dict)
    """The others, by reason."""
    samples: int = 1
    """Answers to each question, of which enough had to agree."""
    calls: int = 0
    money: float | None = None
    """What they cost, in the currency of the price table; None where it is not known or nobody is paid."""
    paid: bool = True
    """Whether its provider is paid for tokens."""
    ended_by: str = ""
    """The budget's limit, where that ended it."""
    score: Estimate | None = None
    """Of the incumbent, on the rows among the questions that had a target."""
    failures: int = 0
    """Requests that got no reply."""


class LeavingFacts(Record):
    """The incumbent, and the candidates that were declared before the first question."""

    incumbent: str
    """Its variant."""
    model: str
    """As it was named."""
    asked_as: AskedAs
    candidates: tuple[str, ...]
    """Variants that may take its place, the preferred one first."""
    local: bool = False
    """Whether the incumbent ran in this process."""
    versions: tuple[str, ...] = ()
    """What the provider said of the model that answered; empty where it said nothing."""
    asked_from: str = ""
    """ISO date of its first answer; "" where none is recorded."""
    asked_to: str = ""
    taught: TaughtFacts | None = None
    """What it taught the candidate before it is left."""
