"""MarkedText: the parts of a file in reading order become one text with a title, pages and headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from domainkit.corpus.document import Document, Mark
from domainkit.storage import JsonObject

Kind = Literal["heading", "paragraph", "item", "row"]
_SPACES = re.compile(r"[^\S\n]+")
# The dots between a heading and its page in a table of contents, or of a blank in a form: they would fill passages.
_LEADERS = re.compile(r"(?:[^\S\n]?[.·…_]){5,}")
# Ligatures are letters of a font, not of the text: a search for "final" must find them. Full NFKC would also change
# superscripts and full-width forms.
_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
# Soft hyphens and zero-width marks split words for every search; a no-break hyphen is a hyphen.
_REWRITTEN = {**_LIGATURES, 0xA0: " ", 0xAD: None, 0x200B: None, 0x2011: "-", 0x2060: None, 0xFEFF: None, 0: None}


@dataclass(frozen=True, slots=True)
class Part:
    """A heading, paragraph, list item or table row."""

    kind: Kind
    text: str
    page: int | None
    level: int = 0
    """Of a heading: 1 is the outermost."""
    continues: bool = False
    """The text goes on with the sentence before it."""


def tidy(text: str) -> str:
    """`text` with single spaces, line ends `\\n`, ligatures as letters and rows of dots as one …; no soft hyphens."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_REWRITTEN)
    text = _SPACES.sub(" ", _LEADERS.sub(" … ", _SPACES.sub(" ", text)))
    return "\n".join(line.strip() for line in text.split("\n")).strip()


class MarkedText:
    """Takes a file's parts one after the other, and makes the Document of them."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.page: int | None = None
        """The page of the parts that follow."""

    def heading(self, text: str, level: int) -> None:
        """A heading on one line; level 1 is the outermost."""
        if text := " ".join(tidy(text).split()):
            self.parts.append(Part("heading", text, self.page, level))

    def add(self, text: str, kind: Kind = "paragraph", *, continues: bool = False) -> None:
        """A paragraph, or another kind of part; empty text is nothing."""
        if text := tidy(text):
            self.parts.append(Part(kind, text, self.page, continues=continues and bool(self.parts)))

    def row(self, cells: list[str]) -> None:
        """A row of a table; empty cells at its end are left out."""
        cells = [" ".join(tidy(cell).split()) for cell in cells]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            self.parts.append(Part("row", f"| {' | '.join(cells)} |", self.page))

    def document(
        self,
        path: Path,
        name: str,
        *,
        title: str = "",
        fallback_title: str = "",
        title_heading: bool = True,
        meta: JsonObject | None = None,
    ) -> Document | None:
        """The document, or None where there is no text.

        The title is `title`; else, with `title_heading`, the heading above all others, which then leaves the text; else
        `fallback_title`.
        """
        title = " ".join(tidy(title).split())
        parts = self.parts
        heading = _title_heading(parts) if title_heading else None
        if heading is not None and (not title or title.casefold() == parts[heading].text.casefold()):
            title = parts[heading].text
            parts = parts[:heading] + parts[heading + 1 :]
        title = title or " ".join(tidy(fallback_title).split())
        text, marks = _join(parts)
        if not text and not (heading is not None and title):
            return None
        facts = {"file": path.name, "format": path.suffix.lower().removeprefix("."), **(meta or {})}
        return Document(text=text or title, source=str(path), id=name, title=title, marks=marks, meta=facts)


def _title_heading(parts: list[Part]) -> int | None:
    """The place of the first heading, if no other one is of its level or above it."""
    headings = [i for i, part in enumerate(parts) if part.kind == "heading"]
    if not headings:
        return None
    others = [parts[i].level for i in headings[1:]]
    return headings[0] if all(level > parts[headings[0]].level for level in others) else None


def _join(parts: list[Part]) -> tuple[str, tuple[Mark, ...]]:
    pieces: list[str] = []
    marks: list[Mark] = []
    open_headings: list[tuple[int, str]] = []
    length = 0
    before: Part | None = None
    for part in parts:
        between = _between(before, part)
        start = length + len(between)
        if part.kind == "heading":
            open_headings = [h for h in open_headings if h[0] < part.level]
            open_headings.append((part.level, part.text))
        mark = Mark(start=start, page=part.page, headings=tuple(text for _, text in open_headings))
        last = marks[-1] if marks else Mark(start=0)
        if part.kind == "heading" or (mark.page, mark.headings) != (last.page, last.headings):
            marks.append(mark)
        pieces += [between, part.text]
        length = start + len(part.text)
        before = part
    return "".join(pieces), tuple(marks)


def _between(before: Part | None, part: Part) -> str:
    if before is None:
        return ""
    if part.continues:
        return " "
    return "\n" if part.kind == before.kind and part.kind in ("item", "row") else "\n\n"
