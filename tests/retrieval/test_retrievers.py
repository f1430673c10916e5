"""What holds for every retriever: LangChain's standard suite, metadata, k, batches, threads, errors."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from domainkit.corpus.document import Document
from domainkit.errors import ConfigError, DataError
from domainkit.retrieval import RETRIEVERS
from domainkit.retrieval.dense import DenseRetriever
from domainkit.retrieval.fused import FusedRetriever
from domainkit.retrieval.lexical.retriever import LexicalRetriever

DOCUMENTS = tuple(
    Document(id=f"d{i}", title=f"Topic {i}", text=f"The subject number {i} in words.", source=f"d.jsonl:{i}")
    for i in range(5)
)


class Standard(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _with_embeddings(self, embeddings: Any) -> None:
        self.embeddings = embeddings

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        own = {} if self.retriever_constructor is LexicalRetriever else {"embeddings": self.embeddings}
        return {"documents": DOCUMENTS, **own}

    @property
    def retriever_query_example(self) -> str:
        return "Which subject has number 3?"


class TestLexicalStandard(Standard):
    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return LexicalRetriever


class TestDenseStandard(Standard):
    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return DenseRetriever


class TestFusedStandard(Standard):
    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return FusedRetriever


@pytest.fixture(params=sorted(RETRIEVERS))
def retriever(request: pytest.FixtureRequest, documents: Any, embeddings: Any) -> Any:
    chosen = RETRIEVERS.load(request.param)
    own = {"embeddings": embeddings} if "embeddings" in chosen.model_fields else {}
    return chosen(documents=documents, k=2, **own)


def test_a_question_finds_its_document_with_metadata(retriever: Any) -> None:
    found = retriever.invoke("I lost my card, how do I freeze it?")
    assert found[0].id == "card"
    metadata = found[0].metadata
    assert (metadata["id"], metadata["title"], metadata["parent"]) == ("card", "Lost card", "card")
    assert metadata["source"] == "docs/card.txt"
    assert found[0].page_content == "Freeze the card in the app, then order a new card."
    assert [d.metadata["score"] for d in found] == sorted((d.metadata["score"] for d in found), reverse=True)


def test_titles_are_searched_too(retriever: Any) -> None:
    assert retriever.invoke("cats", k=1)[0].id == "cat"


def test_k_of_one_call_and_beyond_the_documents(retriever: Any) -> None:
    question = "the card, the rent, the tax and the cat of the day"
    assert [len(retriever.invoke(question, k=k)) for k in (1, 3, 99)] == [1, 3, 4]
    assert len(retriever.invoke(question)) == 2


def test_equal_documents_stand_in_the_order_given(embeddings: Any) -> None:
    same = tuple(Document(id=i, text="the same words", source="s") for i in "zyx")
    for name in RETRIEVERS:
        chosen = RETRIEVERS.load(name)
        own = {"embeddings": embeddings} if "embeddings" in chosen.model_fields else {}
        assert [d.id for d in chosen(documents=same, **own).invoke("same words")] == ["z", "y", "x"]


def test_batch_equals_one_by_one_also_from_threads(retriever: Any) -> None:
    questions = ["the lost card", "rent due", "tax bill", "where sleeps the cat", "rent due", "freeze"] * 3
    alone = [retriever.invoke(q) for q in questions]
    assert retriever.batch(questions) == alone
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(retriever.invoke, questions)) == alone


async def test_async_batch_equals_sync(retriever: Any) -> None:
    questions = ["the lost card", "tax bill"]
    assert await retriever.abatch(questions) == retriever.batch(questions)


@pytest.mark.parametrize("k", [0, -1])
def test_no_passage_is_refused(retriever: Any, k: int) -> None:
    with pytest.raises(ConfigError, match=f"k={k}: at least one passage is needed"):
        retriever.invoke("card", k=k)


def test_no_documents_and_repeated_ids_are_refused(documents: Any) -> None:
    with pytest.raises(ConfigError, match=r"no documents to search\n  next: give at least one"):
        LexicalRetriever(documents=())
    with pytest.raises(DataError, match=r"the id 'card' is already that of docs/card\.txt"):
        LexicalRetriever(documents=(*documents, documents[0].model_copy(update={"source": "copy.txt"})))


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, domainkit.retrieval as r; r.RETRIEVERS['fused']; print([m for m in sys.modules if m in %r])"
    heavy = ("torch", "langchain_core", "bm25s", "sentence_transformers", "numpy")
    done = subprocess.run([sys.executable, "-c", code % (heavy,)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
