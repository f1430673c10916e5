"""A candidate's row carries where it comes from; what a filter took keeps why."""

from __future__ import annotations

from domainkit.corpus.document import Document, Mark
from domainkit.synthesis.candidate import Candidate, Dropped, Reason
from domainkit.synthesis.documents.sections import sections_of

TEXT = "A locker costs four pounds a week, and the key is kept at the desk near the door."
DOCUMENT = Document(id="lockers", source="lockers.pdf", text=TEXT, marks=(Mark(start=0, page=3, headings=("Prices",)),))
[SECTION] = sections_of([DOCUMENT])


def test_a_row_has_its_quote_place_writer_and_mark() -> None:
    found = Candidate(SECTION, "What does a locker cost?", "four pounds", TEXT[:33], (0, 33))
    row = found.row("scripted")
    assert row.pop("id").startswith("synthetic-")
    assert row == {
        "input": "What does a locker cost?",
        "target": "four pounds",
        "doc_ids": ["lockers"],
        "quote": "A locker costs four pounds a week",
        "document": "lockers.pdf",
        "page": 3,
        "headings": ["Prices"],
        "writer": "scripted",
        "synthetic": True,
    }


def test_rows_of_other_words_have_other_ids() -> None:
    ids = {Candidate(SECTION, q, "x", TEXT, (0, 5)).row("w")["id"] for q in ("a?", "b?", "a?")}
    assert len(ids) == 2


def test_what_was_dropped_keeps_its_reason() -> None:
    dropped = Dropped("quote", Reason("too short", "2 words"), SECTION, "q?", "a", "A locker")
    assert dropped.record() | {"section": ""} == {
        "filter": "quote",
        "reason": "too short",
        "detail": "2 words",
        "document": "lockers.pdf",
        "section": "",
        "question": "q?",
        "answer": "a",
        "quote": "A locker",
    }
    assert "detail" not in Dropped("form", Reason("no rows"), SECTION).record()
