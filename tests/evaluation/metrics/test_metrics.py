"""Laws of every line of the table of metrics."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.errors import ConfigError
from domainkit.evaluation.answers_on_disk import PassageRow
from domainkit.evaluation.metrics import (
    METRICS,
    CorpusMetric,
    PassageMetric,
    Score,
    declared,
    default_metrics,
    item_metrics,
    metric_set,
    score_answer,
)
from domainkit.evaluation.task import Sample, Task

LABELS = ("card_arrival", "card_lost", "top_up")
SAMPLES = tuple(
    Sample(id=str(i), input=f"question {i}", target=label, references=(label,)) for i, label in enumerate(LABELS * 2)
)
TASK = Task(name="t", kind="label", samples=SAMPLES, labels=LABELS, fingerprint="")
WRITTEN = {"labels": lambda label: json.dumps([label]), "fields": lambda label: json.dumps({"label": label})}
"""Targets of the kinds whose targets are JSON."""
TARGETS = {"calls": ['[{"name": "top_up", "arguments": {"amount": 5}}]', "[]"]}
"""Of kinds whose targets are no plain text."""
WRONG = {"calls": '[{"name": "zzz", "arguments": {}}]'}


def samples_for(name: str) -> tuple[Sample, ...]:
    kind = declared(name).kinds[0]
    targets = TARGETS.get(kind, [WRITTEN.get(kind, str)(label) for label in LABELS * 2])
    return tuple(s.model_copy(update={"target": t, "references": (t,)}) for s, t in zip(SAMPLES, targets, strict=False))


@pytest.mark.parametrize("name", METRICS)
@given(texts=st.lists(st.one_of(st.text(max_size=30), st.sampled_from(LABELS)), min_size=6, max_size=6))
def test_scores_lie_in_0_to_1_for_any_text(name: str, texts: list[str]) -> None:
    metric = METRICS.load(name)(TASK)
    if isinstance(metric, CorpusMetric):
        counts = np.array([metric.counts(s, t) for s, t in zip(samples_for(name), texts, strict=False)], float)
        values = metric.value(np.stack([counts.sum(0), counts[0], 0 * counts[0]]))
        assert values.shape == (3,)
        assert ((values >= 0) & (values <= 1)).all()
    else:
        for sample, text in zip(samples_for(name), texts, strict=False):
            score = metric(sample, text)
            assert score.value is None or 0 <= score.value <= 1
            assert score.value is not None or score.reason


@pytest.mark.parametrize("name", METRICS)
def test_right_answers_get_the_best_score_and_wrong_ones_the_worst(name: str) -> None:
    metric = METRICS.load(name)(TASK)
    if isinstance(metric, PassageMetric):
        pytest.skip("it reads the passages beside the answer: its own test shows both ends")
    samples = samples_for(name)
    wrong = "zzz" if name == "missing_call" else WRONG.get(declared(name).kinds[0], "zzz")
    best, worst = (0.0, 1.0) if declared(name).lower_is_better else (1.0, 0.0)
    for answer_of, expected in ((lambda s: s.target, best), (lambda s: wrong, worst)):
        if isinstance(metric, CorpusMetric):
            value = float(metric.value(np.sum([metric.counts(s, answer_of(s)) for s in samples], axis=0)))
        else:
            values = [metric(s, answer_of(s)).value for s in samples]
            value = np.mean([v for v in values if v is not None])
        assert value == expected


DEFAULTS = {
    "label": ["label_accuracy", "macro_f1", "parse_failure"],
    "answer": ["token_f1", "exact_match"],
    "text": ["chrf", "citations", "rouge_l"],
}


@pytest.mark.parametrize("kind", DEFAULTS)
def test_the_metrics_of_a_kind_of_task_stay_as_they_are(kind: str) -> None:
    task = TASK.model_copy(update={"kind": kind})
    assert default_metrics(task.kind) == DEFAULTS[kind]
    assert sorted(metric_set(task).names) == sorted(DEFAULTS[kind])
    assert metric_set(task).primary == DEFAULTS[kind][0]


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_says_what_it_is(name: str) -> None:
    assert declared(name).title
    assert declared(name).kinds


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["token_f"], "did you mean 'token_f1'"),
        (["exact_match"], r"(?s)'exact_match' is for answer tasks.*one of: label_accuracy, macro_f1, parse_failure"),
        (["macro_f1"], "the verdict needs a score of each answer"),
        (
            ["parse_failure"],
            r"(?s)is better where it is lower, and the verdict takes the highest.*another metric first",
        ),
        (["judge"], r"(?s)'judge' has no model.*--judge MODEL --rubric"),
        (["label_accuracy", "label_accuracy"], "is named twice"),
    ],
)
def test_a_metric_that_cannot_be_computed_is_refused(names: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        metric_set(TASK, names)


def test_the_first_metric_named_is_the_primary_one() -> None:
    chosen = metric_set(TASK, ["label_accuracy", "macro_f1", "parse_failure"])
    assert (chosen.primary, list(chosen.item), list(chosen.corpus)) == (
        "label_accuracy",
        ["label_accuracy", "parse_failure"],
        ["macro_f1"],
    )
    assert chosen.names == ["label_accuracy", "macro_f1", "parse_failure"]


@pytest.mark.parametrize(
    ("given", "value", "message"),
    [
        (0.5, 0.5, ""),
        (None, None, ""),
        ("high", None, "the metric 'own' gave 'high' for question '0'"),
        (ZeroDivisionError("by 0"), None, "the metric 'own' failed on question '0': ZeroDivisionError: by 0"),
    ],
)
def test_a_metric_of_another_package_may_give_a_number_and_its_fault_is_named(
    given: object, value: float | None, message: str
) -> None:
    def own(sample: Sample, text: str) -> Any:
        if isinstance(given, Exception):
            raise given
        return given

    if message:
        with pytest.raises(ConfigError, match=message):
            score_answer("own", own, SAMPLES[0], "x")
    else:
        assert score_answer("own", own, SAMPLES[0], "x") == Score(value)


def test_a_metric_may_read_the_passages_of_the_prompt() -> None:
    metric = PassageMetric(lambda sample, text, passages: Score(len(passages) / 2))
    passage = PassageRow(id="p", text="a passage")
    assert score_answer("own", metric, SAMPLES[0], "x", (passage,)) == Score(0.5)
    assert metric(SAMPLES[0], "x") == Score(0)


def test_an_unknown_metric_names_the_near_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'token_f1'"):
        item_metrics(TASK, ["token_f"])
