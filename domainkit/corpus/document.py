"""Document: a piece of the domain's own text."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from domainkit.corpus.location import Located


class Mark(BaseModel):
    """Where a part of a document's text stands in its file: in force from `start` to the next mark."""

    model_config = ConfigDict(frozen=True)

    start: int
    """Index of the part's first character in the document's text."""
    page: int | None = None
    """From 1; a slide of a presentation, a sheet of a workbook. None where the format has no pages."""
    headings: tuple[str, ...] = ()
    """The headings above the part, outermost first."""


class Document(Located):
    """A text to retrieve from, or to continue pretraining on."""

    text: str
    source: str
    """The file it was read from: `path` or `path:line`."""
    id: str
    """The name by which answers cite it."""
    title: str = ""
    marks: tuple[Mark, ...] = ()
    """Pages and headings, by rising `start`; empty where the file has none."""
    meta: dict[str, Any] = Field(default_factory=dict)
    """The row's other fields; JSON values."""

    def mark_at(self, position: int) -> Mark | None:
        """The mark in force at the character `position` of the text."""
        number = bisect_right(self.marks, position, key=lambda mark: mark.start)
        return self.marks[number - 1] if number else None
