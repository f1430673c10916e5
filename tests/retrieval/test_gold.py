"""The oracle: gold passages and no others."""

from __future__ import annotations

from domainkit.corpus.document import Document
from domainkit.retrieval import GoldRetriever

DOCUMENTS = (
    Document(id="keys", source="keys.md", title="Keys", text="A lost key costs nine pounds."),
    Document(id="hive#1", source="hive.md", title="Hive", text="The hive is painted green.", meta={"parent": "hive"}),
    Document(
        id="hive#2", source="hive.md", title="Hive", text="The smoker stands in the shed.", meta={"parent": "hive"}
    ),
)


def found(question: str, k: int = 2) -> list[str | None]:
    gold = {"where is the smoker?": ("hive",), "both": ("keys", "hive#1"), "gone": ("attic",)}
    return [p.id for p in GoldRetriever(documents=DOCUMENTS, k=k, gold=gold).invoke(question)]


def test_a_document_is_found_by_its_parents_name_nearest_passage_first() -> None:
    assert found("where is the smoker?") == ["hive#2", "hive#1"]
    assert found("where is the smoker?", k=1) == ["hive#2"]


def test_several_documents_and_passages_named_outright() -> None:
    assert set(found("both", k=3)) == {"keys", "hive#1"}


def test_nothing_else_is_ever_found() -> None:
    assert found("a lost key") == []
    assert found("gone") == []
