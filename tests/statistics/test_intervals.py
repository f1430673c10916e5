"""Estimates: against statsmodels, by exact enumeration, and by simulation with its Monte-Carlo error stated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from domainkit.evaluation.metrics.label import macro_f1
from domainkit.evaluation.task import Sample, Task
from domainkit.results.schema import Estimate
from domainkit.statistics.intervals import estimate, estimate_corpus, holm, mean_interval, wilson

SCORES = st.lists(st.one_of(st.none(), st.floats(0, 1), st.sampled_from([0.0, 1.0])), max_size=60)


def bounds(e: Estimate) -> tuple[float, float]:
    assert e.low is not None
    assert e.high is not None
    return e.low, e.high


@given(st.integers(1, 400), st.floats(0, 1), st.sampled_from([0.9, 0.95, 0.99]))
def test_wilson_is_statsmodels(n: int, share: float, level: float) -> None:
    k = round(n * share)
    expected = proportion_confint(k, n, 1 - level, method="wilson")
    assert np.allclose(wilson(k, n, level), expected, atol=1e-12)


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_statsmodels(p: list[float]) -> None:
    assert np.allclose(holm(p), multipletests(p, method="holm")[1])


@given(SCORES, st.booleans())
def test_any_scores_give_a_value_inside_its_interval_or_a_reason(scores: list[float | None], clustered: bool) -> None:
    e = estimate(scores, clusters=[i // 3 for i in range(len(scores))] if clustered else None)
    if e.value is None:
        assert e.reason
        assert e.n == 0
    else:
        low, high = bounds(e)
        assert 0 <= low <= e.value + 1e-12
        assert e.value - 1e-12 <= high <= 1
        assert high - low > 0.01  # sixty items never make certain
    assert not any(isinstance(v, float) and math.isnan(v) for v in e.model_dump().values())


@pytest.mark.parametrize("scores", [[1.0], [0.5], [0.5] * 30, [1.0] * 30, [0.0, 0.5]])
def test_few_or_identical_scores_keep_a_wide_interval(scores: list[float]) -> None:
    low, high = bounds(estimate(scores))
    assert high - low > 0.1


def test_missing_scores_are_counted() -> None:
    assert estimate([]).reason == "there are no items"
    assert estimate([None, None]).reason == "2 of 2 items have no score"
    e = estimate([1.0, None, 0.0])
    assert (e.n, e.value, e.reason) == (2, 0.5, "1 of 3 items have no score")


def test_a_score_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]; found 0.0 to 7.0"):
        estimate([0.0, 7.0])


def test_clusters_of_one_item_are_no_clusters() -> None:
    scores = [0.0, 1.0, 1.0, 0.0, 1.0]
    assert estimate(scores, clusters="abcde") == estimate(scores)


def test_one_cluster_tells_hardly_anything() -> None:
    low, high = bounds(estimate([0.0, 1.0] * 50, clusters=["only"] * 100))
    assert high - low > 0.9


@pytest.mark.parametrize("n", [20, 60])
@pytest.mark.parametrize("shape", ["mostly 1", "mostly 0", "mixed"])
def test_graded_interval_covers(n: int, shape: str) -> None:
    """400 simulations: the standard error of a coverage of .95 is .011; .91 is more than three below."""
    rng = np.random.default_rng(5)
    u, graded = rng.random((400, n)), rng.random((400, n))
    if shape == "mixed":
        samples, truth = np.where(u < 0.35, 0.0, np.where(u < 0.6, 1.0, graded)), 0.25 + 0.4 * 0.5
    elif shape == "mostly 1":
        samples, truth = np.where(u < 0.8, 1.0, graded), 0.8 + 0.2 * 0.5
    else:
        samples, truth = np.where(u < 0.7, 0.0, graded), 0.3 * 0.5
    covered = [low <= truth <= high for low, high, _ in (mean_interval(x, None, 0.95) for x in samples)]
    assert np.mean(covered) >= 0.91


def test_clustered_interval_covers_where_the_naive_one_does_not() -> None:
    """30 documents × 10 questions, intraclass correlation .2: 1,000 simulations, standard error .007."""
    rng = np.random.default_rng(6)
    codes = np.repeat(np.arange(30), 10)
    clustered = naive = 0
    for _ in range(1_000):
        scores = (rng.random(300) < np.repeat(rng.beta(2, 2, 30), 10)).astype(float)
        low, high, _ = mean_interval(scores, codes, 0.95)
        clustered += low <= 0.5 <= high
        low, high, _ = mean_interval(scores, None, 0.95)
        naive += low <= 0.5 <= high
    assert clustered / 1_000 >= 0.93
    assert naive / 1_000 < 0.85


def test_a_corpus_metric_has_a_bootstrap_interval() -> None:
    labels = ("a1", "b1", "c1")
    metric = macro_f1(Task(name="t", kind="label", samples=(), labels=labels, fingerprint=""))
    rng = np.random.default_rng(0)
    targets = rng.choice(labels, 200)
    named = np.where(rng.random(200) < 0.8, targets, rng.choice(labels, 200))
    samples = [Sample(id=str(i), input="q", target=t, references=(t,)) for i, t in enumerate(targets)]
    counts = [metric.counts(s, t) for s, t in zip(samples, named, strict=True)]
    e = estimate_corpus(counts, metric.value)
    low, high = bounds(e)
    assert e.value is not None
    assert low < e.value < high
    assert 0.05 < high - low < 0.2
    in_pairs = bounds(
        estimate_corpus([c for c in counts for _ in (0, 1)], metric.value, clusters=[i // 2 for i in range(400)])
    )
    assert in_pairs[1] - in_pairs[0] == pytest.approx(high - low, abs=0.01)  # a copy of every item tells nothing new
    assert estimate_corpus([], metric.value).reason == "there are no items"
    assert estimate_corpus(counts[:1], metric.value).low is None
