"""From answered rows to scores."""

from __future__ import annotations

from typing import Any

import pytest

from domainkit import Sample, Task, Variant
from domainkit.comparison.score import items_of, passages_of, score_rows, variant_result, with_differences
from domainkit.errors import ConfigError
from domainkit.evaluation.answers_on_disk import PassageRow, Row
from domainkit.evaluation.metrics import metric_set

SAMPLES = tuple(
    Sample(id=str(i), input=f"q{i}", target=t, references=(t,), doc_ids=(f"doc{i}",), group="ab"[i % 2])
    for i, t in enumerate(("red", "blue", "red", "blue"))
)
TASK = Task(name="t", kind="label", samples=SAMPLES, labels=("blue", "red"), fingerprint="")
METRICS = metric_set(TASK)
VARIANT = Variant(name="v", description="A test's own.")


def row(number: int, text: str, **more: Any) -> Row:
    return Row(key="k", variant="v", id=str(number), text=text, **more)


def result(rows: list[Row | None], name: str = "v") -> Any:
    variant = VARIANT.model_copy(update={"name": name})
    return variant_result(TASK, METRICS, variant, rows, score_rows(METRICS, SAMPLES, rows), [], {})


def test_an_answer_that_is_an_error_scores_0_and_is_counted() -> None:
    rows = [row(0, "red"), row(1, "blue", error="ValueError: too hard"), row(2, "red"), row(3, "red")]
    assert score_rows(METRICS, SAMPLES, rows)["label_accuracy"] == [1, 0, 1, 0]
    found = result([*rows])
    assert (found.failures, found.metrics["label_accuracy"].value) == (1, 0.5)


def test_a_question_that_was_not_asked_has_no_score() -> None:
    rows = [row(0, "red"), None, row(2, "blue"), None]
    assert score_rows(METRICS, SAMPLES, rows)["label_accuracy"] == [1, None, 0, None]
    accuracy = result([*rows]).metrics["label_accuracy"]
    assert (accuracy.value, accuracy.n) == (0.5, 2)
    assert result([*rows]).metrics["macro_f1"].n == 2


@pytest.mark.parametrize("value", [2.0, -0.5, float("nan"), float("inf")])
def test_a_score_outside_0_and_1_is_refused_with_the_metric_and_the_question(value: float) -> None:
    class Wrong:
        name = "wrong"

        def many(self, samples: Any, answers: Any) -> list[float | None]:
            return [0.5, value, None, 0.0]

    metrics = metric_set(TASK, [Wrong()])
    with pytest.raises(ConfigError, match=f"the metric 'wrong' gave {value} for question '1'"):
        score_rows(metrics, SAMPLES, [row(i, str(i)) for i in range(4)])


def test_groups_are_scored_by_the_primary_metric() -> None:
    rows = [row(i, "red") for i in range(4)]
    assert {name: e.value for name, e in result([*rows]).groups.items()} == {"a": 1.0, "b": 0.0}


def test_a_chunk_counts_as_its_document_and_another_document_does_not() -> None:
    shown = ("doc0#2", "doc10", "doc2", "other")
    rows = [row(i, "red", passages=(PassageRow(id=p, text=f"text of {p}"),)) for i, p in enumerate(shown)]
    assert result([*rows]).retrieval["hit@1"].value == 0.5
    assert set(passages_of({"v": rows})) == set(shown)


def test_differences_are_paired_and_the_baseline_has_none() -> None:
    good, bad = [row(i, s.target) for i, s in enumerate(SAMPLES)], [row(i, "zzz") for i in range(4)]
    primary = {n: score_rows(METRICS, SAMPLES, r)["label_accuracy"] for n, r in {"good": good, "bad": bad}.items()}
    results = [result([*good], "good"), result([*bad], "bad")]
    first, second = with_differences(results, primary, TASK, "bad", 0.02)
    assert second.difference is None
    assert first.difference is not None
    assert (first.difference.value, first.difference.wins, first.difference.n) == (1.0, 4, 4)


def test_the_quotes_of_a_long_answer_are_checked_against_its_passages() -> None:
    task = TASK.model_copy(update={"kind": "text", "labels": (), "samples": SAMPLES[:1]})
    passages = (PassageRow(id="d", text="Hives are weighed at night, when all bees are home."),)
    text = 'They are "weighed at night, when all" sleep, and "never in the rain".'
    rows = [row(0, text, passages=passages)]
    scores = score_rows(metric_set(task), task.samples, rows)
    [item] = items_of(task, {"v": rows}, {"v": scores})
    assert [(p.name, p.given, p.status) for p in item.answers["v"].parts] == [
        ("quote", "weighed at night, when all", "match"),
        ("quote", "never in the rain", "invention"),
    ]
    assert item.answers["v"].scores["citations"] == 0.5
