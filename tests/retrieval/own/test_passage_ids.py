"""The id of a passage: the one that the questions name where there is such, and the same in every run."""

from __future__ import annotations

from langchain_core.documents import Document

from domainkit.corpus.chunk import document_id
from domainkit.retrieval.own.passage_ids import id_of


def passage(own: str | None = None, text: str = "a text", **metadata: object) -> Document:
    return Document(id=own, page_content=text, metadata=metadata)


def test_an_id_that_the_questions_name_goes_first() -> None:
    gold = {"manual"}
    assert id_of(passage("manual", source="x"), gold) == "manual"
    assert id_of(passage("manual#2", source="x"), gold) == "manual#2"
    for key in ("id", "doc_id", "source"):
        for value in ("manual", "manual#3"):
            found = id_of(passage("0c1f", **{key: value}), gold)
            assert document_id(found) == "manual"
            assert found != "manual"


def test_two_passages_of_one_document_have_two_ids() -> None:
    first, second = (id_of(passage(text=text, source="manual"), ()) for text in ("one", "two"))
    assert first != second
    assert {document_id(first), document_id(second)} == {"manual"}


def test_without_any_id_the_content_is_one() -> None:
    assert id_of(passage(), ()) == id_of(passage(source=None, id=None, doc_id=""), ()) == "cec2537fc0cc9287"
    assert id_of(passage(text="other"), ()) != id_of(passage(), ())
    assert id_of(passage("7", source="manual"), ()) == "7"
