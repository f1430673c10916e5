"""A document's content, and nothing else, decides whether two are the same."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from domainkit.corpus.document import Document, Mark


def test_the_line_of_a_document_is_not_dumped_but_its_other_fields_are() -> None:
    document = Document(text="a hive", source="a.jsonl:3", id="a:3", line=3, meta={"year": 1980})
    assert document.model_dump() == {
        "source": "a.jsonl:3",
        "text": "a hive",
        "id": "a:3",
        "title": "",
        "marks": (),
        "meta": {"year": 1980},
    }


def test_a_document_cannot_be_changed_and_needs_an_id() -> None:
    with pytest.raises(ValidationError):
        Document.model_validate({"text": "a hive", "source": "a.txt"})
    document = Document(text="a hive", source="a.txt", id="a")
    with pytest.raises(ValidationError):
        document.__setattr__("text", "another")
    assert document.text == "a hive"


def test_the_mark_in_force_is_the_last_one_that_starts_before_a_position() -> None:
    marks = (Mark(start=2, page=1), Mark(start=6, page=2, headings=("Care",)))
    document = Document(text="0123456789", source="a.pdf", id="a", marks=marks)
    assert document.mark_at(1) is None
    assert [document.mark_at(i) for i in (2, 5, 6, 9)] == [marks[0], marks[0], marks[1], marks[1]]
