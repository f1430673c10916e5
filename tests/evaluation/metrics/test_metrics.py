"""Laws of every line of the table of metrics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.errors import ConfigError
from domainkit.evaluation.metrics import METRICS, PRIMARY, USED, CorpusMetric, corpus_metrics, item_metrics
from domainkit.evaluation.task import Sample, Task

LABELS = ("card_arrival", "card_lost", "top_up")
SAMPLES = tuple(
    Sample(id=str(i), input=f"question {i}", target=label, references=(label,)) for i, label in enumerate(LABELS * 2)
)
TASK = Task(name="t", kind="label", samples=SAMPLES, labels=LABELS, fingerprint="")
LOWER_IS_BETTER = {"parse_failure"}


@pytest.mark.parametrize("name", METRICS)
@given(texts=st.lists(st.one_of(st.text(max_size=30), st.sampled_from(LABELS)), min_size=6, max_size=6))
def test_scores_lie_in_0_to_1_for_any_text(name: str, texts: list[str]) -> None:
    metric = METRICS.load(name)(TASK)
    if isinstance(metric, CorpusMetric):
        counts = np.array([metric.counts(s, t) for s, t in zip(SAMPLES, texts, strict=True)], float)
        values = metric.value(np.stack([counts.sum(0), counts[0], 0 * counts[0]]))
        assert values.shape == (3,)
        assert ((values >= 0) & (values <= 1)).all()
    else:
        for sample, text in zip(SAMPLES, texts, strict=True):
            score = metric(sample, text)
            assert score.value is None or 0 <= score.value <= 1
            assert score.value is not None or score.reason


@pytest.mark.parametrize("name", METRICS)
def test_right_answers_get_the_best_score_and_wrong_ones_the_worst(name: str) -> None:
    metric = METRICS.load(name)(TASK)
    best, worst = (0.0, 1.0) if name in LOWER_IS_BETTER else (1.0, 0.0)
    for answer_of, expected in ((lambda s: s.target, best), (lambda s: "zzz", worst)):
        if isinstance(metric, CorpusMetric):
            value = float(metric.value(np.sum([metric.counts(s, answer_of(s)) for s in SAMPLES], axis=0)))
        else:
            value = np.mean([metric(s, answer_of(s)).value for s in SAMPLES])
        assert value == expected


@pytest.mark.parametrize("kind", USED)
def test_the_primary_metric_is_used_and_scores_items(kind: str) -> None:
    task = TASK.model_copy(update={"kind": kind})
    assert PRIMARY[task.kind] in item_metrics(task)
    assert {*item_metrics(task), *corpus_metrics(task)} == set(USED[task.kind])


def test_an_unknown_metric_names_the_near_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'token_f1'"):
        item_metrics(TASK, ["token_f"])
