"""build_retriever: what it takes, what it keeps between runs, what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domainkit.corpus.document import Document
from domainkit.errors import ConfigError, DataError
from domainkit.retrieval import build_retriever
from domainkit.storage import cache_dir


def test_a_folder_is_read_and_long_documents_become_passages(tmp_path: Path, embeddings: Any) -> None:
    (tmp_path / "long.md").write_text("# Guide\n\n" + "The red fox runs far. " * 20 + "\n\nThe blue whale dives deep.")
    (tmp_path / "short.txt").write_text("A green frog jumps.")
    retriever = build_retriever(tmp_path, "lexical", chunk_words=40)
    [found] = retriever.invoke("blue whale", k=1)
    assert found.id.startswith("long#")
    assert (found.metadata["parent"], found.metadata["title"]) == ("long", "Guide")
    assert retriever.invoke("green frog", k=1)[0].metadata["parent"] == "short"
    assert len(build_retriever(tmp_path, "lexical", chunk_words=None).documents) == 2


def test_the_index_is_built_once(documents: Any, embeddings: Any) -> None:
    first = build_retriever(documents, "fused", embeddings=embeddings)
    assert len(embeddings.asked) == 1
    again = build_retriever(documents, "fused", embeddings=embeddings)
    assert len(embeddings.asked) == 1
    assert again.invoke("lost card") == first.invoke("lost card")


@pytest.mark.parametrize("change", ["text", "title", "model"])
def test_another_content_is_another_index(documents: Any, embeddings: Any, change: str) -> None:
    build_retriever(documents, "dense", embeddings=embeddings)
    if change == "model":
        embeddings.name = "other"
    else:
        documents = (documents[0].model_copy(update={change: "new"}), *documents[1:])
    build_retriever(documents, "dense", embeddings=embeddings)
    assert len(embeddings.asked) == 2


def test_without_cache_nothing_is_written(documents: Any, embeddings: Any) -> None:
    build_retriever(documents, embeddings=embeddings, cache=False)
    assert not (cache_dir() / "indexes").exists()


def test_embeddings_that_cannot_say_what_they_are_are_not_cached(documents: Any, embeddings: Any) -> None:
    embeddings.identity = None
    build_retriever(documents, "dense", embeddings=embeddings)
    assert not (cache_dir() / "indexes").exists()


def test_unknown_kinds_and_impossible_k_are_refused(documents: Any) -> None:
    with pytest.raises(ConfigError, match=r"unknown retriever 'lexicl'\n  next: did you mean 'lexical'\?"):
        build_retriever(documents, "lexicl")
    with pytest.raises(ConfigError, match=r"k=0: at least one passage is needed\n  next: k=4 is the default"):
        build_retriever(documents, "lexical", k=0)


def test_faulty_files_are_data_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        build_retriever(tmp_path / "none.jsonl", "lexical")
    (tmp_path / "a.jsonl").write_text("{")
    with pytest.raises(DataError, match=r"a\.jsonl:1: not JSON"):
        build_retriever(str(tmp_path / "a.jsonl"), "lexical")


def test_any_iterable_of_documents_will_do() -> None:
    stream = (Document(id=str(i), text=f"number {i}", source="s") for i in range(3))
    assert build_retriever(stream, "lexical").invoke("number 2", k=1)[0].id == "2"


def test_embeddings_that_a_retriever_does_not_use_are_refused(documents: Any, embeddings: Any) -> None:
    with pytest.raises(ConfigError, match=r"the retriever 'lexical' uses none\n  next: leave them out"):
        build_retriever(documents, "lexical", embeddings=embeddings)
