"""The id of a passage: the one that the questions name where there is such, and the same in every run."""

from __future__ import annotations

from typing import Any

from langchain_core.documents import Document

from domainkit.corpus.chunk import document_id
from domainkit.retrieval.own.passage_ids import id_of


def passage(own: str | None = None, text: str = "a text", **metadata: Any) -> Document:
    return Document(id=own, page_content=text, metadata=metadata)


def test_an_id_that_the_questions_name_goes_first() -> None:
    gold = {"manual"}
    for value in ("manual", "manual#3"):
        assert document_id(id_of(passage(value, source="x"), gold)) == "manual"
        for key in ("id", "doc_id", "source"):
            assert document_id(id_of(passage("0c1f", **{key: value}), gold)) == "manual"
    assert document_id(id_of(passage("0c1f", source="other"), gold)) == "0c1f"
    assert document_id(id_of(passage("manual#3"), {"manual#3"})) == "manual#3"


def test_two_passages_of_one_document_have_two_ids() -> None:
    for given in ({"source": "manual"}, {"own": "manual"}):
        first, second = (id_of(passage(text=text, **given), ()) for text in ("one", "two"))
        assert first != second
        assert {document_id(first), document_id(second)} == {"manual"}


def test_without_any_id_the_content_is_one() -> None:
    assert id_of(passage(), ()) == id_of(passage(source=None, id=None, doc_id=""), ()) == "cec2537fc0cc9287"
    assert id_of(passage(text="other"), ()) != id_of(passage(), ())
