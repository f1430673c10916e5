"""A retriever given ready or by name, and what tells it from another."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore

from domainkit.errors import ConfigError
from domainkit.retrieval.own import find_retriever
from tests.retrieval.own.own_retrievers import Listed, bees


def in_memory(*texts: str, k: int = 2) -> Any:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=4))
    store.add_documents([Document(page_content=text) for text in texts])
    return store.as_retriever(search_kwargs={"k": k})


def test_a_name_and_an_object_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_store.py").write_text(
        "from tests.retrieval.own.own_retrievers import bees\ndef words(): return ['x']\nclass Kind: pass\n"
    )
    monkeypatch.chdir(tmp_path)
    named, given = find_retriever("own_store:bees", 2), find_retriever(bees(), 2)
    assert (named.name, named.spec) == ("own_store:bees", "own_store:bees")
    assert (given.name, given.spec) == ("Listed", "")
    assert named.identity == given.identity is not None
    for name, made in (("words", "list"), ("Kind", "Kind")):
        with pytest.raises(ConfigError, match=f"retriever own_store:{name}: makes {made}, which is no BaseRetriever"):
            find_retriever(f"own_store:{name}", 2)
    with pytest.raises(ConfigError, match=r"as_retriever\(\)"):
        find_retriever(in_memory("a").vectorstore, 2)


def test_a_store_in_memory_is_known_by_its_texts_and_settings() -> None:
    known = find_retriever(in_memory("a", "b"), 2).identity
    assert known == find_retriever(in_memory("a", "b"), 2).identity
    assert known != find_retriever(in_memory("a", "c"), 2).identity
    assert known != find_retriever(in_memory("a", "b", k=3), 2).identity


def test_a_name_in_its_metadata_tells_one_that_nothing_else_tells() -> None:
    assert find_retriever(Listed(found=threading.Lock()), 2).identity is None
    said = [find_retriever(Listed(found=threading.Lock(), metadata={"identity": v}), 2).identity for v in "aab"]
    assert said[0] == said[1] != said[2]
    assert None not in said
