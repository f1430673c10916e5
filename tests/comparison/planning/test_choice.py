"""Which variants run, and the content key that an answer is kept under."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from domainkit import Document, Example, Sample, Task, Turn, Variant
from domainkit.comparison.config import CompareConfig
from domainkit.comparison.inputs import Inputs, read_inputs
from domainkit.comparison.planning.choice import choose_variants, wanted
from domainkit.corpus.chunk import count_words
from domainkit.errors import AdapterError, ConfigError
from domainkit.retrieval import RETRIEVERS, PassageRetriever

TASK = Task(
    name="t",
    kind="label",
    labels=("blue", "red"),
    samples=(Sample(id="1", input="q", target="red", references=("red",), doc_ids=("d",)),),
    fingerprint="",
)


def example(question: str) -> Example:
    return Example(turns=(Turn(role="user", content=question), Turn(role="assistant", content="red")))


def inputs(base: str, task: Task = TASK, **more: Any) -> Inputs:
    options = {"base": base, "max_tokens": 4, "retriever": "lexical", **more.pop("options", {})}
    given = {"train": [example("a"), example("b")], "corpus": [Document(id="d", source="d", text="a text")], **more}
    return read_inputs(task, CompareConfig(**options), **given)


def key(name: str, made: Inputs) -> str:
    plan = choose_variants(made, [name])
    return plan.key(plan.variants[0])


def test_of_the_ladder_what_cannot_run_is_left_out_with_its_reason(tiny_base: str) -> None:
    plan = choose_variants(inputs(tiny_base, train=None), None)
    assert [v.name for v in plan.variants] == ["zero-shot", "rag", "oracle-rag"]
    assert plan.left_out["classical"] == "no training rows were given (--train)"
    assert plan.left_out["tuned"] == "no adapter was given (--adapter)"


def test_the_baseline_is_the_best_known_prompt_unless_it_is_declared(tiny_base: str) -> None:
    names = ["rag", "zero-shot", "few-shot"]
    assert choose_variants(inputs(tiny_base), names).baseline == "few-shot"
    assert choose_variants(inputs(tiny_base), names[:2]).baseline == "zero-shot"
    assert choose_variants(inputs(tiny_base), names[:1]).baseline == "rag"
    assert choose_variants(inputs(tiny_base, options={"baseline": "rag"}), names).baseline == "rag"


def test_a_decoding_that_nothing_uses_is_named(tiny_base: str, caplog: pytest.LogCaptureFixture) -> None:
    free = TASK.model_copy(update={"kind": "answer", "labels": ()})
    choose_variants(inputs(tiny_base, free), ["zero-shot"])
    choose_variants(inputs(tiny_base, options={"decoding": "free"}), ["zero-shot"])
    assert "decoding" not in caplog.text
    choose_variants(inputs(tiny_base, free, options={"decoding": "free"}), ["zero-shot"])
    calls = TASK.model_copy(update={"kind": "calls", "labels": ()})
    choose_variants(inputs(tiny_base, calls, options={"decoding": "free"}), ["zero-shot"])
    assert "decoding is not used in a task of the kind answer: no grammar holds its answers" in caplog.text
    assert "decoding is not used in a task of the kind calls: calls are always held to their tools" in caplog.text


def test_what_the_named_variants_need() -> None:
    needs = {need for v in wanted(["zero-shot", "tuned-context"], {}) for need in v.needs}
    assert needs == {"context adapter", "corpus"}
    with pytest.raises(ConfigError, match="unknown variant 'ragg'"):
        wanted(["ragg"], {})


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("classical", {"train": [example("a"), example("c")]}),
        ("trivial", {"train": [example("a"), example("c")]}),
        ("few-shot", {"train": [example("a"), example("c")]}),
        ("few-shot", {"options": {"shots": 1}}),
        ("zero-shot", {"options": {"seed": 1}}),
        ("zero-shot", {"options": {"max_tokens": 5}}),
        ("zero-shot", {"options": {"decoding": "free"}}),
        ("zero-shot", {"task": TASK.model_copy(update={"labels": ("blue", "red", "green")})}),
        ("rag", {"corpus": [Document(id="d", source="d", text="another text")]}),
        ("rag", {"options": {"passages": 1}}),
    ],
)
def test_what_changes_an_answer_changes_its_key(name: str, change: dict[str, Any], tiny_base: str) -> None:
    assert key(name, inputs(tiny_base)) != key(name, inputs(tiny_base, **change))


@pytest.mark.parametrize("words", [16, 160, 400])
def test_passages_have_the_length_that_the_configuration_says(words: int, tiny_base: str) -> None:
    article = Document(id="d", source="d", text=" ".join(f"word{i}." for i in range(1000)))
    made = inputs(tiny_base, corpus=[article], options={"passage_words": words})
    retriever = choose_variants(made, ["rag"]).parts.retriever
    assert retriever.documents == made.documents
    assert max(count_words(d.text) for d in made.documents) == words
    assert {d.meta["parent"] for d in retriever.documents} == {"d"}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("zero-shot", {"train": [example("c")]}),
        ("zero-shot", {"corpus": [Document(id="d", source="d", text="another text")]}),
        ("zero-shot", {"options": {"shots": 1, "margin": 0.1, "batch_size": 2}}),
        ("few-shot", {"options": {"passages": 1}}),
    ],
)
def test_what_does_not_change_an_answer_leaves_its_key(name: str, change: dict[str, Any], tiny_base: str) -> None:
    assert key(name, inputs(tiny_base)) == key(name, inputs(tiny_base, **change))


def keyed(base: str, runnable: Any, **more: Any) -> str:
    variant = Variant(**{"name": "mine", "description": "A.", "runnable": runnable, **more})
    return choose_variants(inputs(base), [variant]).key(variant)


def saying(word: str) -> Any:
    return RunnableLambda(lambda q: word)


def test_a_runnable_is_keyed_by_its_name_and_what_it_does(tiny_base: str) -> None:
    first = keyed(tiny_base, saying("red"))
    assert keyed(tiny_base, saying("red"), description="B.") == first
    assert keyed(tiny_base, saying("red"), name="other") != first
    assert keyed(tiny_base, saying("blue")) != first


def test_a_declared_identity_stands_for_the_code(tiny_base: str, caplog: pytest.LogCaptureFixture) -> None:
    lock = threading.Lock()
    one, two = (RunnableLambda(lambda q, lock=lock: "red") for _ in range(2))
    assert keyed(tiny_base, one, identity="v1") == keyed(tiny_base, two, identity="v1")
    assert keyed(tiny_base, one, identity="v1") != keyed(tiny_base, one, identity="v2")
    assert "asked again" not in caplog.text


def test_a_runnable_that_cannot_be_read_is_never_reused_and_a_line_says_so(
    tiny_base: str, caplog: pytest.LogCaptureFixture
) -> None:
    lock = threading.Lock()
    mine = RunnableLambda(lambda q: "red" if lock else "blue")
    assert keyed(tiny_base, mine) != keyed(tiny_base, mine)
    assert "mine: every question is asked again, since its code and settings cannot be read" in caplog.text
    assert "Variant(identity=…)" in caplog.text


def test_the_retriever_of_another_package_is_keyed_by_its_code(tiny_base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = []
    for rank in (lambda self, q, k: [(0, 1.0)], lambda self, q, k: [(0, 0.5)]):
        kind = type(
            "Mine", (PassageRetriever,), {"rank": rank, "prepare": lambda self, q: None, "__module__": __name__}
        )
        monkeypatch.setattr(RETRIEVERS, "_lines", {**RETRIEVERS, "mine": "tests.mine:Mine"})
        monkeypatch.setattr(RETRIEVERS, "load", lambda name, kind=kind: kind)
        keys.append(key("rag", inputs(tiny_base, options={"retriever": "mine"})))
    assert keys[0] != keys[1]


def test_an_adapter_folder_that_is_missing_is_refused_before_a_question(tiny_base: str, tmp_path: Path) -> None:
    for name in ("curve", "replicas"):
        with pytest.raises(AdapterError):
            choose_variants(inputs(tiny_base, **{name: [tmp_path / "none"]}), ["zero-shot"])
