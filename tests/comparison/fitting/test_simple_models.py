"""The variants without a language model are always compared, and the report says what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from domainkit import Results, Variant, compare, judge, judge_pairs
from domainkit.comparison.config import CompareConfig
from domainkit.comparison.fitting.simple_models import SimpleModels
from domainkit.comparison.inputs import read_inputs
from domainkit.comparison.ladder import ladder
from domainkit.errors import MachineError
from domainkit.retrieval import MiniLMEmbeddings

MINE = Variant(name="mine", description="A test's own.", runnable=RunnableLambda(lambda q: q.split()[0]), identity="1")


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.write_text("".join(json.dumps({"input": q, "target": a}) + "\n" for q, a in rows), encoding="utf-8")
    return path


def run(folder: Path, rows: list[tuple[str, str]], *variants: Any, **options: Any) -> Results:
    test = write(folder / "test.jsonl", rows)
    return compare(test, list(variants) or [MINE], folder / "run", latency_items=0, **options)


LABELS = [(f"{c} {i}", c if i % 3 else "red") for i in range(9) for c in ("red", "blue")]


def test_the_trivial_answer_is_asked_though_nobody_named_it(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", LABELS)
    results = run(tmp_path, LABELS, train=train)
    assert [v.name for v in results.variants] == ["mine", "trivial"]
    trivial = results.variants[-1]
    assert (trivial.family, trivial.description) == ("trivial", "No model: the commonest label, 'red'.")
    assert trivial.metrics["label_accuracy"].value == pytest.approx(12 / 18)
    assert "trivial" in (tmp_path / "run" / "report.md").read_text(encoding="utf-8")
    assert results.cost is not None
    assert [c.name for c in results.cost.variants] == ["mine", "trivial"]


def test_a_model_that_is_no_better_than_the_commonest_label_is_not_recommended(tmp_path: Path) -> None:
    rows = [(f"{'blue' if i % 5 else 'red'} {i}", "red" if i % 4 else "blue") for i in range(40)]
    train = write(tmp_path / "train.jsonl", rows)
    results = run(tmp_path, rows, train=train)
    assert (results.verdict.answer, results.verdict.choice) == ("use no model", "trivial")
    assert results.verdict.headline.startswith("Use no model: trivial reaches 75.0 % label accuracy")


def test_without_training_rows_no_label_is_the_commonest_and_a_line_says_so(tmp_path: Path) -> None:
    results = run(tmp_path, LABELS, kind="label")
    assert [v.name for v in results.variants] == ["mine"]
    assert "trivial was left out: no training rows were given (--train)." in results.verdict.cautions


def test_a_free_answer_is_copied_from_the_input(tmp_path: Path) -> None:
    rows = [(f"say it {i}", f"say it {i} please") for i in range(6)]
    results = run(tmp_path, rows, kind="answer")
    assert results.variants[-1].description == "No model: the input copied."
    assert results.items[0].answers["trivial"].text == "say it 0"


@pytest.mark.parametrize(
    ("metrics", "name"),
    [
        (None, "token_f1"),
        (("exact_match", "token_f1"), "exact_match"),
        (("judge", "judge_pairs", "exact_match"), "exact_match"),
        (("judge",), "token_f1"),
    ],
)
def test_the_models_are_chosen_by_the_first_metric_that_costs_nothing(
    metrics: tuple[str, ...] | None, name: str, tmp_path: Path
) -> None:
    llm: Any = RunnableLambda(lambda m: "5")
    made = {"judge": judge(llm, "Be short."), "judge_pairs": judge_pairs(llm, "Be short.")}
    config = CompareConfig(kind="answer", metrics=metrics and tuple(made.get(m, m) for m in metrics))
    assert SimpleModels(read_inputs(write(tmp_path / "t.jsonl", LABELS), config)).chosen_by == name


def test_the_classical_model_says_how_it_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the embedding model, TF-IDF is used and the report says so."""

    def missing(self: MiniLMEmbeddings) -> str:
        raise MachineError("the MiniLM package is not installed", next_step="pip install it")

    monkeypatch.setattr(MiniLMEmbeddings, "resolve", missing)
    train = write(tmp_path / "train.jsonl", LABELS)
    classical = run(tmp_path, LABELS, "classical", train=train).variants[0]
    assert classical.description == (
        "No language model: TF-IDF with logistic regression. Not tried: sentence embeddings, since the MiniLM package "
        "is not installed (pip install it)."
    )
    assert classical.settings == {"model": "TF-IDF with logistic regression", "cross_validation": {}}


@pytest.mark.real
def test_meaning_beats_words_where_the_words_differ(tmp_path: Path) -> None:
    dogs = (
        "my puppy barks",
        "the hound is hungry",
        "walk the terrier",
        "a poodle sleeps",
        "our dog ran",
        "his spaniel",
    )
    cars = ("the engine stalls", "buy new tyres", "my truck is loud", "a red sedan", "her convertible")
    rows = [("our dog ran", "animal"), ("our car broke", "vehicle")]
    rows += [(text, label) for label, texts in (("animal", dogs), ("vehicle", cars)) for text in texts]
    train = write(tmp_path / "train.jsonl", rows)
    asked = [("a labrador and a beagle", "animal"), ("the motor of the van", "vehicle")]
    results = run(tmp_path, asked, "classical", train=train, kind="label")
    classical = results.variants[0]
    assert classical.metrics["label_accuracy"].value == 1.0
    assert "sentence embeddings" in classical.settings["model"]
    assert len(classical.settings["cross_validation"]) == 3


def test_the_ladder_begins_with_the_simplest() -> None:
    assert list(ladder())[:4] == ["trivial", "classical", "tuned-encoder", "zero-shot"]
