"""Paired differences: against statsmodels, by enumeration of all tables, and by simulation with its error stated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammaln
from scipy.stats import binom
from statsmodels.stats.contingency_tables import mcnemar

from domainkit.results.schema import Difference
from domainkit.statistics.paired import (
    adjust,
    compare_paired,
    mcnemar_midp,
    paired_interval,
    sign_flip,
    tango_interval,
)

PAIRS = st.lists(st.tuples(st.sampled_from([0.0, 0.3, 1.0, None]), st.sampled_from([0.0, 0.3, 1.0])), max_size=30)


def only(a: object, b: object, **options: object) -> Difference:
    pair = compare_paired(list(a), list(b), clusters=options.pop("clusters", None))  # type: ignore[call-overload,arg-type]
    found = adjust({"a": pair}, **options)["a"]  # type: ignore[arg-type]
    assert found is not None
    return found


@given(st.integers(0, 60), st.integers(0, 60))
def test_midp_is_statsmodels_exact_p_less_half_the_observed_tables(wins: int, losses: int) -> None:
    p = float(mcnemar_midp(wins, losses))
    if wins == losses:
        assert p == pytest.approx(1)
    else:
        exact = mcnemar([[0, wins], [losses, 0]], exact=True).pvalue
        assert p == pytest.approx(exact - binom.pmf(min(wins, losses), wins + losses, 0.5))


def test_midp_keeps_its_size() -> None:
    """Exact: every split of 30 discordant items."""
    k = np.arange(31)
    assert binom.pmf(k, 30, 0.5)[mcnemar_midp(k, 30 - k) < 0.05].sum() <= 0.05


@pytest.mark.parametrize("n", [50, 200, 500])
def test_tango_covers_94_percent_exactly(n: int) -> None:
    """No simulation: the probability of every table (wins, losses) of n items, summed where the interval holds the
    truth."""
    b, c = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    b, c = b[b + c <= n], c[b + c <= n]
    low, high = tango_interval(b, c, n)
    ways = gammaln(n + 1) - gammaln(b + 1) - gammaln(c + 1) - gammaln(n - b - c + 1)
    for discordant in (0.05, 0.1, 0.2, 0.3, 0.5):
        for share in (0.0, 0.25, 0.5, 0.8):
            delta = share * discordant
            p, q = (discordant + delta) / 2, (discordant - delta) / 2
            probability = np.exp(ways + b * np.log(p) + c * np.log(q) + (n - b - c) * np.log(1 - discordant))
            assert probability[(low <= delta) & (delta <= high)].sum() >= 0.94


@pytest.mark.parametrize(("n", "least"), [(25, 0.942), (50, 0.931), (100, 0.927), (200, 0.933)])
def test_tango_falls_to_93_percent_where_all_disagreements_go_one_way(n: int, least: float) -> None:
    """Exact: the wins are binomial, and there is no loss."""
    wins = np.arange(n + 1)
    low, high = tango_interval(wins, 0 * wins, n)
    shares = np.linspace(0.02, 0.6, 117)
    covered = [binom.pmf(wins, n, q)[(low - 1e-9 <= q) & (q <= high + 1e-9)].sum() for q in shares]
    assert least <= min(covered) < least + 0.001


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n))))
def test_tango_holds_the_estimate_and_mirrors(table: tuple[int, int, int]) -> None:
    n, b, c = table[0], table[1], min(table[2], table[0] - table[1])
    low, high = tango_interval(b, c, n)
    assert -1 <= low <= (b - c) / n <= high <= 1
    mirrored = tango_interval(c, b, n)
    assert np.allclose((-mirrored[1], -mirrored[0]), (low, high))


def test_sign_flip_is_exact_for_few_and_close_to_exact_for_many() -> None:
    assert sign_flip(np.array([0.1, 0.2, 0.3, 0.0])) == 2 / 8
    assert sign_flip(np.array([0.5] * 14)) == 2 / 2**14
    rng = np.random.default_rng(0)
    d = rng.normal(0.3, 1, 16)
    patterns = 2 * (np.arange(2**16)[:, None] >> np.arange(16) & 1) - 1
    exact = np.mean(np.abs(patterns @ d) >= abs(d.sum()) - 1e-9)
    assert sign_flip(d) == pytest.approx(exact, abs=0.015)  # 3 standard errors of 9,999 flips
    assert sign_flip(d) == sign_flip(d)


def test_equal_variants_give_no_winner_too_often() -> None:
    """500 A/A comparisons of 0/1 scores: at a true rate of .05 more than 41 false winners have a chance below 1 in
    700."""
    rng = np.random.default_rng(1)
    winners = 0
    for _ in range(500):
        a, redrawn = rng.random(150) < 0.6, rng.random(150) < 0.3
        b = np.where(redrawn, rng.random(150) < 0.6, a)
        winners += only(a.astype(float), b.astype(float)).state in ("BETTER", "WORSE")
    assert winners <= 41


def test_equal_variants_in_a_family_give_no_winner_too_often() -> None:
    """100 families of five equal variants with graded scores: at a rate of .05 more than 13 have a chance below 1 in
    700."""
    rng = np.random.default_rng(2)
    families = 0
    for _ in range(100):
        scores = np.where(rng.random((6, 40)) < 0.5, rng.random(40), rng.random((6, 40)))
        found = adjust({str(i): compare_paired(list(scores[i]), list(scores[5])) for i in range(5)})
        families += any(d is not None and d.state in ("BETTER", "WORSE") for d in found.values())
    assert families <= 13


def test_clustered_differences_cover_where_naive_ones_do_not() -> None:
    """40 documents × 8 questions whose differences go together: 400 simulations, standard error .011."""
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(40), 8)
    clustered = naive = 0
    for _ in range(400):
        shares = np.repeat(rng.dirichlet([0.8, 0.8, 2.4], 40), 8, axis=0)
        u = rng.random(320)
        d = np.where(u < shares[:, 0], 1.0, np.where(u < shares[:, :2].sum(1), -1.0, 0.0))
        low, high, _ = paired_interval(compare_paired(list(d), [0.0] * 320, clusters=list(clusters)), 0.95)
        clustered += low <= 0 <= high
        low, high, _ = paired_interval(compare_paired(list(d), [0.0] * 320), 0.95)
        naive += low <= 0 <= high
    assert clustered / 400 >= 0.92
    assert naive / 400 < 0.88


@given(PAIRS, st.booleans())
def test_any_pairs_give_numbers_in_range_and_swap(pairs: list[tuple[float | None, float]], clustered: bool) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    clusters = [i // 4 for i in range(len(pairs))] if clustered else None
    found = adjust({"a": compare_paired(a, b, clusters=clusters), "b": compare_paired(b, a, clusters=clusters)})
    d, mirror = found["a"], found["b"]
    if all(x is None for x in a):
        assert d is None
        return
    assert d is not None
    assert mirror is not None
    assert -1 <= d.low <= d.value + 1e-9
    assert d.value - 1e-9 <= d.high <= 1
    assert d.wins + d.ties + d.losses == d.n == sum(x is not None for x in a)
    assert (d.wins, d.losses, d.value) == (mirror.losses, mirror.wins, pytest.approx(-mirror.value))
    assert 0 <= d.p <= d.p_adjusted <= 1
    assert not any(isinstance(v, float) and math.isnan(v) for v in d.model_dump().values())


@given(st.lists(st.integers(0, 25), min_size=1, max_size=8))
def test_verdict_interval_and_adjusted_p_agree(wins: list[int]) -> None:
    pairs = {str(i): compare_paired([1.0] * w + [0.0] * (60 - w), [0.0] * 50 + [1.0] * 10) for i, w in enumerate(wins)}
    for d in adjust(pairs, margin=0.001).values():
        assert d is not None
        assert (d.state == "BETTER") == (d.p_adjusted < 0.05 and d.low > 0)
        assert (d.state == "WORSE") == (d.p_adjusted < 0.05 and d.high < 0)
        if d.p_adjusted >= 0.05:
            assert d.low <= 0 <= d.high
        assert (d.needed is not None) == (d.state == "CANNOT TELL YET")


def test_the_four_verdicts() -> None:
    zeros, ones = [0.0], [1.0]
    assert only(ones * 40 + zeros * 60, zeros * 100).state == "BETTER"
    assert only(zeros * 100, ones * 40 + zeros * 60).state == "WORSE"
    assert only(ones * 1000, ones * 1000).state == "EQUIVALENT"
    unsure = only(ones * 8 + zeros * 92, zeros * 96 + ones * 4)
    assert unsure.state == "CANNOT TELL YET"
    assert unsure.method == "paired by item; Tango score interval at 95 % and McNemar mid-p; Holm over 1 comparison"


def test_a_difference_inside_the_margin_is_equivalent_even_if_significant() -> None:
    d = only([1.0] * 60 + [0.0] * 9_940, [0.0] * 10_000)
    assert d.p < 0.001
    assert d.state == "EQUIVALENT"


def test_the_more_comparisons_the_wider_the_interval() -> None:
    a, b = [1.0] * 12 + [0.0] * 88, [0.0] * 100
    tie = compare_paired(b, b)
    alone = adjust({"a": compare_paired(a, b)})["a"]
    among = adjust({"a": compare_paired(a, b), **{str(i): tie for i in range(9)}})["a"]
    assert alone is not None
    assert among is not None
    assert among.low < alone.low
    assert among.p_adjusted == pytest.approx(10 * alone.p)


def test_needed_items_have_the_promised_power() -> None:
    """With `needed` items of the same differences, about 80 % of 300 experiments decide (standard error .023)."""
    rng = np.random.default_rng(4)
    d = np.array([1.0] * 14 + [-1.0] * 6 + [0.0] * 80)
    needed = only(d, np.zeros(100)).needed
    assert needed is not None
    assert 100 < needed < 600
    decided = sum(only(rng.choice(d, needed), np.zeros(needed)).state != "CANNOT TELL YET" for _ in range(300))
    assert 0.72 <= decided / 300 <= 0.9


def test_nothing_to_compare() -> None:
    assert adjust({"empty": compare_paired([], []), "unscored": compare_paired([None], [1.0])}) == {
        "empty": None,
        "unscored": None,
    }
    assert only([1.0], [0.0]).state == "CANNOT TELL YET"
    with pytest.raises(ValueError, match="one entry per item"):
        compare_paired([1.0], [])
