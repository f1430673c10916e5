"""A comparison whose passages come from a retriever of the user's own: measured, kept, rebuilt, and named."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from domainkit import compare, load_variant
from domainkit.comparison.config import CompareConfig
from domainkit.comparison.inputs import read_inputs
from domainkit.errors import ConfigError, DomainkitError
from domainkit.report.sections.use_section import use_of
from domainkit.results.schema import Results
from domainkit.winner.pack import pack
from tests.retrieval.own.own_retrievers import Failing, Listed, OnlyAsync, Picky

FACTORY = """
from langchain_core.documents import Document
from tests.retrieval.own.own_retrievers import Listed

def store():
    return Listed(found=[Document(page_content="the fee is 7", metadata={"source": "fees"})])

def words():
    return Listed(found=["a text"])
"""


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "retriever_shop.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)


def questions(folder: Path, doc_ids: list[str]) -> Path:
    path = folder / "test.jsonl"
    rows = [{"input": f"fee {i}?", "target": "7", "doc_ids": doc_ids} for i in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(
    folder: Path,
    base: str,
    retriever: str | BaseRetriever,
    *variants: str,
    doc_ids: tuple[str, ...] = ("fees",),
    **options: Any,
) -> Results:
    task = questions(folder, list(doc_ids))
    more = {"base": base, "quantization": "none", "max_tokens": 4, "passages": 1, "latency_items": 0, **options}
    return compare(task, variants or ("rag",), folder / "run", retriever=retriever, **more)


def passages(results: Results) -> set[str]:
    return {p.text for p in results.passages.values()}


def test_a_named_retriever_is_measured_without_a_corpus_and_made_again(tmp_path: Path, tiny_base: str) -> None:
    results = run(tmp_path, tiny_base, "retriever_shop:store")
    [rag] = [v for v in results.variants if v.name == "rag"]
    assert passages(results) == {"the fee is 7"}
    assert rag.settings["retriever"] == "retriever_shop:store"
    assert "passage_words" not in rag.settings
    assert rag.hit_rates == {1: 1.0}
    for name in ("report.html", "report.md"):
        assert "shop:store, of your own" in (tmp_path / "run" / name).read_text()
    loaded = load_variant(tmp_path / "run", "rag")
    answer = loaded.invoke("fee 0?")
    assert answer.text == results.items[0].answers["rag"].text
    assert [p["id"] for p in answer.response_metadata["passages"]] == list(results.passages)
    with pytest.raises(ConfigError, match=r"neither its store nor its code goes into a pack\n  next: keep the run"):
        pack(tmp_path / "run", tmp_path / "pack", variant="rag")
    pack(tmp_path / "run", tmp_path / "pack", variant="trivial")
    assert load_variant(tmp_path / "pack", "trivial").invoke("x").text == "x"


def test_a_given_retriever_must_be_given_again(
    tmp_path: Path, tiny_base: str, caplog: pytest.LogCaptureFixture
) -> None:
    def made(text: str) -> BaseRetriever:
        return Listed(found=[Document(id="fees", page_content=text)])

    results = run(tmp_path, tiny_base, made("7"))
    with pytest.raises(ConfigError, match=r"'rag' searches the Listed that a program gave.*(?s:.)*retriever=…"):
        load_variant(tmp_path / "run", "rag")
    loaded = load_variant(tmp_path / "run", "rag", retriever=made("7"))
    assert loaded.invoke("fee 0?").text == results.items[0].answers["rag"].text
    assert "is not known to be as it was measured" not in caplog.text
    load_variant(tmp_path / "run", "rag", retriever=made("8"))
    assert "the retriever Listed is not known to be as it was measured" in caplog.text
    with pytest.raises(ConfigError, match="'trivial' was not measured with a retriever"):
        load_variant(tmp_path / "run", "trivial", retriever=made("7"))
    with pytest.raises(ConfigError, match=r"load_variant\(.*, \"rag\", retriever=…\) beside the store"):
        pack(tmp_path / "run", tmp_path / "pack", variant="rag")
    chosen = results.model_copy(update={"verdict": results.verdict.model_copy(update={"choice": "rag"})})
    use = use_of(chosen, "RUN")
    assert use is not None
    assert 'load_winner("RUN", retriever=retriever)' in use.python
    assert use.commands == ()


def test_another_store_is_asked_and_the_same_is_not(tmp_path: Path, tiny_base: str) -> None:
    def asked() -> list[str]:
        return [json.loads(line)["variant"] for line in (tmp_path / "run" / "rows.jsonl").read_text().splitlines()]

    def made(text: str) -> BaseRetriever:
        return Listed(found=[Document(id="fees", page_content=text)])

    counts = []
    for retriever in (made("7"), made("7"), made("8"), OnlyAsync()):
        results = run(tmp_path, tiny_base, retriever)
        counts.append(asked().count("rag"))
    assert counts == [3, 3, 6, 9]
    assert passages(results) == {"about fee 0?", "about fee 1?", "about fee 2?"}


def test_one_that_nothing_tells_from_another_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = []
    for name in (None, None, "May", "May"):
        store = Listed(found=threading.Lock(), metadata={"identity": name} if name else None)
        inputs = read_inputs(questions(tmp_path, ["fees"]), CompareConfig(), retriever=store)
        keys.append(inputs.retriever.identity if inputs.retriever else "")
    assert keys[:2] == [None, None]
    assert keys[2] == keys[3]
    assert caplog.text.count("retriever Listed: every question is asked again") == 2


def test_ids_that_match_nothing_leave_hits_unmeasured(tmp_path: Path, tiny_base: str) -> None:
    results = run(tmp_path, tiny_base, "retriever_shop:store", doc_ids=("tariff-2024",))
    [rag] = [v for v in results.variants if v.name == "rag"]
    assert rag.retrieval["hit@1"].value is None
    assert rag.retrieval["hit@1"].reason.startswith("no passage found has an id")
    assert "no passage found has an id" in (tmp_path / "run" / "report.html").read_text()
    assert "document found" not in (tmp_path / "run" / "report.html").read_text()


def test_the_agent_searches_it(tmp_path: Path, tiny_base: str) -> None:
    results = run(tmp_path, tiny_base, "retriever_shop:store", "agent")
    assert [i.answers["agent"].error for i in results.items] == [None] * 3
    assert passages(results) == {"the fee is 7"}


def test_an_oracle_needs_the_corpus(tmp_path: Path, tiny_base: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConfigError, match=r"'oracle-rag' cannot run: no documents were given \(--corpus\), among"):
        run(tmp_path, tiny_base, "retriever_shop:store", "oracle-rag")
    corpus = tmp_path / "fees.txt"
    corpus.write_text("all fees are 7")
    with caplog.at_level(logging.WARNING, "domainkit"):
        run(tmp_path, tiny_base, "retriever_shop:store", corpus=corpus, passage_words=50)
    assert "corpus is not used by any of the variants" in caplog.text
    assert "passage_words is not used by any of the variants" in caplog.text


def test_questions_in_the_store_are_found(tmp_path: Path, tiny_base: str) -> None:
    text = "fee 1? This is what customers ask us about the fee of an account every day: fee 1?"
    task = tmp_path / "long.jsonl"
    task.write_text(json.dumps({"input": text, "target": "7"}) + "\n")
    store = Listed(found=[Document(id="faq", page_content=f"Q: {text}\nA: 7")])
    options = {"base": tiny_base, "quantization": "none", "max_tokens": 4, "passages": 1, "latency_items": 0}
    results = compare(task, ["rag"], tmp_path / "run", retriever=store, **options)
    assert [leak.count for leak in results.leaks if leak.against == "index" and leak.count]


@pytest.mark.parametrize(
    ("retriever", "text"),
    [
        (Failing(), "retriever Failing: raised ConnectionError: no store at port 9"),
        ("retriever_shop:words", "retriever retriever_shop:words: gave a list of str and no list of Documents"),
        ("retriever_shop:nothing", "has no attribute 'nothing'"),
        ("no_such_shop:store", "No module named 'no_such_shop'"),
        ("fusd", "did you mean 'fused'?"),
        (7, "retriever int: is not a retriever"),
        (Listed, "is not a retriever"),
    ],
)
def test_what_cannot_retrieve_is_refused_before_anything_is_asked(
    tmp_path: Path, tiny_base: str, retriever: Any, text: str
) -> None:
    with pytest.raises(DomainkitError) as raised:
        run(tmp_path, tiny_base, retriever)
    assert text in str(raised.value)
    assert not (tmp_path / "run" / "rows.jsonl").exists()


def test_a_question_that_its_store_cannot_answer_fails_alone_and_is_asked_again(tmp_path: Path, tiny_base: str) -> None:
    results = run(tmp_path, tiny_base, Picky(fails="fee 1?", metadata={"identity": "May"}))
    errors = [item.answers["rag"].error for item in results.items]
    assert errors[::2] == [None, None]
    assert str(errors[1]).startswith("MachineError: retriever Picky: raised TimeoutError: too slow")
    mended = run(tmp_path, tiny_base, Picky(metadata={"identity": "May"}))
    assert [item.answers["rag"].error for item in mended.items] == [None] * 3
    rows = [json.loads(line) for line in (tmp_path / "run" / "rows.jsonl").read_text().splitlines()]
    assert sum(row["variant"] == "rag" for row in rows) == 4
