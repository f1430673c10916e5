"""A race drops what is clearly worse, hardly ever what is not, and runs the same again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from domainkit.evaluation.answers_on_disk import Row
from domainkit.evaluation.task import Sample
from domainkit.statistics.racing import RaceState, race_blocks, race_order, run_race


def raced(scores: np.ndarray, block: int = 20, baseline: int = 0) -> RaceState:
    """A race over scores (variants, items), in the order given."""
    names = [f"v{k}" for k in range(len(scores))]
    race = RaceState(names, names[baseline])
    for start in range(0, scores.shape[1], block):
        if race.over:
            break
        race.add({name: scores[int(name[1:]), start : start + block].tolist() for name in race.active})
    return race


def answers(rng: np.random.Generator, rates: Sequence[float], n: int) -> np.ndarray:
    """0/1 scores of variants, correlated as answers to the same questions are."""
    difficulty = rng.normal(size=n)
    noise = rng.normal(size=(len(rates), n))
    skill = np.array([np.sqrt(1.5) * -np.sqrt(2) * _erfinv(1 - 2 * r) for r in rates])
    return (skill[:, None] + difficulty + noise * np.sqrt(0.5) < 0).astype(float)


def _erfinv(y: float) -> float:
    from scipy.special import erfinv

    return float(-erfinv(y))


def test_equal_variants_differ_in_at_most_one_race_of_twenty() -> None:
    rng = np.random.default_rng(0)
    alarms = [bool(raced(answers(rng, [0.6] * 3, 200)).out) for _ in range(120)]
    assert np.mean(alarms) <= 0.05


def test_a_clear_loser_stops_early_and_a_clear_winner_ends_the_race() -> None:
    rng = np.random.default_rng(1)
    races = [raced(answers(rng, [0.45, 0.15, 0.9], 500)) for _ in range(20)]
    assert all(set(c.out) == {"v1"} and c.out["v1"].better == "v2" for c in races)
    assert np.mean([c.asked for c in races]) < 100
    assert all(c.over for c in races)


def test_the_baseline_is_asked_to_the_end() -> None:
    rng = np.random.default_rng(2)
    race = raced(answers(rng, [0.1, 0.8, 0.8], 300))
    assert "v0" in race.active
    assert race.out == {}


def test_blocks_keep_clusters_whole_and_the_order_comes_from_the_seed() -> None:
    clusters = [i // 7 for i in range(100)]
    order = race_order(100, 5, clusters)
    assert sorted(order) == list(range(100))
    assert order == race_order(100, 5, clusters) != race_order(100, 6, clusters)
    blocks = list(race_blocks(order, 20, clusters))
    assert [i for block in blocks for i in block] == order
    assert all(len(block) >= 20 for block in blocks[:-1])
    for cluster in set(clusters):
        assert sum(any(clusters[i] == cluster for i in block) for block in blocks) == 1


def test_run_race_asks_only_who_is_running() -> None:
    samples = [Sample(id=f"q{i}", input=str(i), target="a", references=("a",)) for i in range(200)]
    asked: dict[str, int] = {}

    def ask(name: str, block: Sequence[Sample]) -> list[Row]:
        asked[name] = asked.get(name, 0) + len(block)
        good = {"base": 3, "bad": 0, "good": 9}[name]
        return [Row(key="k", variant=name, id=s.id, text="a" if int(s.id[1:]) * 7 % 10 < good else "b") for s in block]

    def score(block: Sequence[Sample], rows: Sequence[Row]) -> list[float | None]:
        return [float(r.text == s.target) for s, r in zip(block, rows, strict=True)]

    order, rows, race = run_race(RaceState(["base", "bad", "good"], "base"), samples, ask, score, seed=1)
    assert set(race.out) == {"bad"}
    dropped = race.out["bad"].answered
    assert asked == {"base": race.questions, "bad": dropped, "good": race.questions}
    assert (len(order), race.of, race.of_answers) == (race.questions, 200, 600)
    assert race.answers == sum(asked.values()) < 600
    assert all(len(answered) == race.questions for answered in rows.values())
    assert [r is None for r in rows["bad"]] == [False] * dropped + [True] * (race.questions - dropped)
    again = run_race(RaceState(["base", "bad", "good"], "base"), samples, ask, score, seed=1)
    assert (again[0], again[2]) == (order, race)


@pytest.mark.parametrize("names", [["only"], ["one", "two"]])
def test_equal_variants_and_a_single_one_race_to_the_last_question(names: list[str]) -> None:
    race = RaceState(names, names[0])
    for _ in range(5):
        race.add({name: [1.0, 0.0, None] for name in names})
    assert race.out == {}
    assert not race.over


def test_an_oracle_stays_in_the_race_and_is_in_no_pair() -> None:
    race = RaceState(["base", "rag", "oracle"], "base", bounds=["oracle"])
    for _ in range(6):
        race.add({"base": [0.0, 1.0] * 10, "rag": [1.0, 0.0] * 10, "oracle": [1.0] * 20})
    assert race.out == {}
    assert race.pairs == [("base", "rag")]
    assert "oracle" in race.active
