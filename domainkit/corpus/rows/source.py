"""RowSource: the rows of one file, folder, hub data set or list, and how they were understood."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from domainkit.errors import Problem, place
from domainkit.messages import JsonObject

NumberedRow = tuple[int, JsonObject]
"""(line or row from 1, JSON object)."""


def _nothing() -> Iterator[NumberedRow | Problem]:
    return iter(())


@dataclass(frozen=True)
class RowSource:
    """Rows that can be read from the start as often as wanted, one at a time."""

    where: str
    """The file, as messages name it."""
    format: str
    """"CSV", "JSON Lines", …"""
    facts: tuple[str, ...] = ()
    """How it was read: the encoding, the separator, the sheet."""
    problems: list[Problem] = field(default_factory=list)
    """Of the source as a whole. After an error there are no rows."""
    stream: Callable[[], Iterator[NumberedRow | Problem]] = _nothing
    """Each row, or the Problem of a row that is malformed, in their order."""
    columns: tuple[str, ...] = ()
    """The header of a table; empty where each row names its own fields."""
    unit: str = ""
    """What numbers count where there are no lines: "row"."""
    cells: bool = False
    """Every value is the text of a cell, and an empty one is not a value."""
    typed: bool = False
    """Columns have types, so that a number may stand where text is meant."""

    def place(self, number: int) -> str:
        """The place of a row, as messages name it."""
        return place(self.where, number, self.unit)

    def problem(self, number: int | None, what: str, next_step: str) -> Problem:
        """An error of a row, or of the source."""
        return Problem(self.where, number, what, next_step, unit=self.unit)

    def no_rows(self, shape: str, header: str) -> Problem:
        """The error of a source without rows; the next step shows what a row is, or a table's header."""
        if self.cells or self.typed:
            return self.problem(None, "holds no rows", f"write rows below a header such as {header}")
        return self.problem(None, "holds no rows", f"write one {shape} object per line")

    def warning(self, number: int | None, what: str, next_step: str) -> Problem:
        """A warning of a row, or of the source."""
        return Problem(self.where, number, what, next_step, "warning", self.unit)

    def all(self) -> tuple[list[NumberedRow], list[Problem]]:
        """All rows, and all problems."""
        rows: list[NumberedRow] = []
        problems = list(self.problems)
        for item in self.stream():
            if isinstance(item, Problem):
                problems.append(item)
            else:
                rows.append(item)
        return rows, problems
