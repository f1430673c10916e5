"""Which sections are asked about next, so that the rows spread over all documents and sections; and what came of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from domainkit.corpus.document import Document
from domainkit.errors import DataError, Problem
from domainkit.synthesis.config import MakeConfig
from domainkit.synthesis.documents.sections import Section, sections_of
from domainkit.synthesis.documents.sides import Side, sides_of

ATTEMPTS = 4
"""Requests about one section at most."""
BARREN = 2
"""Requests in a row without a row that is kept, after which a section is left alone."""
LEAST_RATE = 0.2
"""Of questions that are kept, for planning: with less, a round would ask for far too many."""


@dataclass
class SectionState:
    """What was asked about a section, and what came of it."""

    section: Section
    side: Side
    attempts: int = 0
    barren: int = 0
    """Requests since the last row that was kept."""
    kept: int = 0
    written: list[str] = field(default_factory=list)
    """Questions that the writer has written about it, dropped ones too."""
    dropped: Counter[str] = field(default_factory=Counter)
    """By filter and kind."""

    @property
    def is_open(self) -> bool:
        return not self.section.too_short and self.attempts < ATTEMPTS and self.barren < BARREN

    @property
    def why_empty(self) -> str:
        """Why the section has no row; "" where it has one."""
        if self.kept:
            return ""
        if self.section.too_short:
            return "too short to quote"
        if not self.attempts:
            return "not asked about"
        if not self.dropped:
            return "the writer gave no reply"
        return "; ".join(f"{reason} ({count})" for reason, count in self.dropped.most_common(3))


class Plan:
    """The sections of the documents, each with its side and state, and the rows that each side still needs."""

    def __init__(self, documents: Sequence[Document], config: MakeConfig) -> None:
        sections = sections_of(documents)
        sizes = Counter(s.document.id for s in sections if not s.too_short)
        self.config = config
        if not sizes:
            next_step = "add documents with text"
            raise DataError([Problem(_source(documents), None, "holds no section with a sentence to quote", next_step)])
        self.sides = sides_of([d for d in documents if sizes[d.id]], sizes, config.test_share, config.seed)
        self.states = [SectionState(s, self.sides.get(s.document.id, "train")) for s in sections]
        self.quota: dict[Side, int] = {"test": _test_rows(config)}
        self.quota["train"] = config.rows - self.quota["test"]
        self._order = _order_of(sections, config.seed)
        self._asked_for = self._kept = 0

    def kept(self, side: Side) -> int:
        return sum(state.kept for state in self.states if state.side == side)

    def missing(self, side: Side) -> int:
        """Rows that the side still needs."""
        return max(0, self.quota[side] - self.kept(side))

    def next_round(self) -> list[tuple[SectionState, int]]:
        """The sections to ask about next, each once, and how many questions each: as many as may give the missing rows,
        spread over as many sections as there are, those with the fewest requests and rows first. Empty at the end."""
        chosen: list[tuple[SectionState, int]] = []
        for side in ("train", "test"):
            open_ones = [state for state in self.states if state.side == side and state.is_open]
            if not open_ones:
                continue
            open_ones.sort(key=lambda state: (state.attempts, state.kept, self._order[state.section.key]))
            questions = ceil(self.missing(side) / max(LEAST_RATE, self._rate()))
            each = min(self.config.per_request, max(1, questions // len(open_ones)))
            chosen += [(state, each) for state in open_ones[: ceil(questions / each)]]
        return chosen

    def note(self, state: SectionState, asked: int, kept: int) -> None:
        """A request for `asked` questions about the section was answered, and `kept` of its rows stayed."""
        state.attempts += 1
        state.kept += kept
        state.barren = 0 if kept else state.barren + 1
        self._asked_for += asked
        self._kept += kept

    def _rate(self) -> float:
        return self._kept / self._asked_for if self._asked_for else 1.0


def _source(documents: Sequence[Document]) -> str:
    """Where the documents come from, for a message."""
    return documents[0].path if len(documents) == 1 else f"the {len(documents)} documents"


def _test_rows(config: MakeConfig) -> int:
    """At least one row for each side that has a share."""
    if config.test_share in (0.0, 1.0) or config.rows < 2:
        return round(config.rows * config.test_share)
    return min(config.rows - 1, max(1, round(config.rows * config.test_share)))


def _order_of(sections: Sequence[Section], seed: int) -> dict[tuple[str, int], tuple[int, str]]:
    """One section of each document in turn, documents and sections in an order of the seed."""
    by_document: dict[str, list[Section]] = {}
    for section in sections:
        by_document.setdefault(section.document.id, []).append(section)
    order: dict[tuple[str, int], tuple[int, str]] = {}
    for name, own in by_document.items():
        own = sorted(own, key=lambda s: _rank(seed, name, s.number))
        order |= {s.key: (turn, _rank(seed, name, -1)) for turn, s in enumerate(own)}
    return order


def _rank(seed: int, document: str, number: int) -> str:
    return hashlib.sha256(f"{seed}\n{document}\n{number}".encode()).hexdigest()
