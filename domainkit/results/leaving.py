"""What `leave` records: which model is to be left, how it was asked, and what may take its place."""

from __future__ import annotations

from typing import Literal

from domainkit.results.answers import Record

AskedAs = Literal["rows", "instruction"]
"""rows: the messages of the rows as they are. instruction: behind domainkit's own instruction."""


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
