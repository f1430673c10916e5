"""Sections: the parts of documents that questions are asked about, one request each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from domainkit.corpus.chunk import chunk, count_words
from domainkit.corpus.document import Document
from domainkit.text.characters import SENTENCE_ENDS

SECTION_WORDS = 350
"""Longer sections are asked about in parts: a writer overlooks the middle of a long text."""
LEAST_WORDS = 12
"""Shorter sections have no sentence to quote: a heading, a page number, a picture's legend."""
_SENTENCE_BORDER = re.compile(
    rf"(?<=[.!?])\s+(?=[^\sa-z])|(?<=[{SENTENCE_ENDS}])|\n\s*\n|\n(?=[ \t]*(?:[-*+•|#>]|\d+[.)]))"
)
_MARKDOWN_HEADING = re.compile(r"^[ ]{0,3}(#{1,6})[ \t]+(\S[^\n]*?)[ \t#]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Section:
    """document.text[start:end]."""

    document: Document
    number: int
    """In its document, from 0."""
    start: int
    end: int
    headings: tuple[str, ...] = ()
    """The headings above it, outermost first."""
    page: int | None = None
    """On which it begins, from 1."""

    @property
    def text(self) -> str:
        return self.document.text[self.start : self.end]

    @property
    def key(self) -> tuple[str, int]:
        return self.document.id, self.number

    @property
    def name(self) -> str:
        """For reports: the headings, else the page, else the part's number."""
        page = f"page {self.page}" if self.page is not None else ""
        return " › ".join(self.headings) or page or f"part {self.number + 1}"

    @property
    def sentences(self) -> list[str]:
        """Its sentences, as they stand there."""
        return [part for part in (p.strip() for p in _SENTENCE_BORDER.split(self.text)) if part]

    @property
    def too_short(self) -> bool:
        return count_words(self.text) < LEAST_WORDS


def sections_of(documents: Iterable[Document]) -> list[Section]:
    """Every section of every document, in order. Together a document's sections hold all its words."""
    return [section for document in documents for section in _sections(document)]


def headings_at(document: Document, position: int) -> tuple[str, ...]:
    """The headings above the character `position`: from the marks, else from the text's own Markdown."""
    if any(mark.headings for mark in document.marks):
        mark = document.mark_at(position)
        return mark.headings if mark else ()
    above: dict[int, str] = {}
    for heading in _MARKDOWN_HEADING.finditer(document.text, 0, _line_end(document.text, position)):
        level = len(heading[1])
        above = {k: text for k, text in above.items() if k < level} | {level: heading[2]}
    return tuple(above.values())


def page_at(document: Document, position: int) -> int | None:
    mark = document.mark_at(position)
    return mark.page if mark else None


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _sections(document: Document) -> Iterator[Section]:
    number = 0
    for start, end in _between(sorted(_borders(document)), len(document.text)):
        for a, b in _parts(document.text, start, end):
            yield Section(document, number, a, b, headings_at(document, a), page_at(document, a))
            number += 1


def _borders(document: Document) -> set[int]:
    """Where a section begins: at each change of headings."""
    if any(mark.headings for mark in document.marks):
        changed = zip(document.marks, (None, *document.marks), strict=False)
        return {mark.start for mark, before in changed if before is None or mark.headings != before.headings}
    return {heading.start() for heading in _MARKDOWN_HEADING.finditer(document.text)}


def _between(borders: list[int], end: int) -> Iterator[tuple[int, int]]:
    ends = [*borders, end]
    if ends[0] > 0:
        yield 0, ends[0]
    yield from pairwise(ends)


def _parts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Parts of at most SECTION_WORDS words, cut as passages are."""
    whole = Document(id="part", source="part", text=text[start:end])
    at = start
    for passage in chunk([whole], SECTION_WORDS):
        part = passage.text.strip()
        if part:
            found = text.index(part, at, end)
            yield found, found + len(part)
            at = found + len(part)
