"""Candidate: a row that the writer wrote and the filters have not all seen yet; Dropped: one that a filter took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from domainkit.storage import JsonObject, sha256_json
from domainkit.synthesis.documents.sections import Section, headings_at, page_at


@dataclass(frozen=True, slots=True)
class Candidate:
    section: Section
    question: str
    answer: str
    quote: str
    """The document's own words where they were found, else the writer's."""
    place: tuple[int, int] | None
    """document.text[start:end] is the quote; None where the words stand nowhere in it."""

    @property
    def document_id(self) -> str:
        return self.section.document.id

    def row(self, writer: str) -> JsonObject:
        """The row of a train or test file."""
        document = self.section.document
        start = self.place[0] if self.place else self.section.start
        digest = sha256_json([document.id, self.question, self.answer])[:12]
        page = page_at(document, start)
        headings = headings_at(document, start)
        return {
            "id": f"synthetic-{digest}",
            "input": self.question,
            "target": self.answer,
            "doc_ids": [document.id],
            "quote": self.quote,
            "document": document.source,
            **({"page": page} if page is not None else {}),
            **({"headings": list(headings)} if headings else {}),
            "writer": writer,
            "synthetic": True,
        }


class Reason(NamedTuple):
    """Why a filter takes a candidate: a kind that is counted, and what is said of this one."""

    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """What a filter took. A reply that is not a row has only its text, as the quote."""

    filter: str
    reason: Reason
    section: Section
    question: str = ""
    answer: str = ""
    quote: str = ""

    def record(self) -> JsonObject:
        """The row of dropped.jsonl."""
        return {
            "filter": self.filter,
            "reason": self.reason.kind,
            **({"detail": self.reason.detail} if self.reason.detail else {}),
            "document": self.section.document.source,
            "section": self.section.name,
            "question": self.question,
            "answer": self.answer,
            "quote": self.quote,
        }
