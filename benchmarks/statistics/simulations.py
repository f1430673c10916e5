"""Simulations behind the statistics: python -m benchmarks.statistics.simulations [--data FOLDER] [--only NAME …]

Each question of docs/statistics.md is answered by drawing comparisons whose truth is known and counting how often
domainkit is wrong. Writes benchmarks/results/simulations.json and the page's tables; some minutes. With --data, the
leakage levels are counted on public data sets as well (benchmarks/results/leakage.json, some minutes).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.special import ndtri
from scipy.stats import norm

from benchmarks.runs import RESULTS, save
from benchmarks.statistics.after_the_verdict import alarms, gates, watches
from benchmarks.statistics.leakage import leakage
from benchmarks.statistics.page import PAGE, Cell, Rows, filled
from domainkit.results.schema import Estimate
from domainkit.statistics.always_valid import confidence_sequence, log_e
from domainkit.statistics.best_of import expected_luck
from domainkit.statistics.intervals import wilson
from domainkit.statistics.learning_curve import learning_curve
from domainkit.statistics.paired import mcnemar_midp, tango_interval
from domainkit.statistics.racing import RaceState
from domainkit.statistics.seeds import crossed_interval

ALPHA, BLOCK, QUESTIONS = 0.05, 20, 600


def signs(rng: np.random.Generator, shape: tuple[int, int], discordant: float, difference: float = 0.0) -> np.ndarray:
    """Differences of two 0/1 variants: 1 and -1 together with probability `discordant`, mean `difference`."""
    u = rng.random(shape)
    return (u < (discordant + difference) / 2).astype(int) - (u > 1 - (discordant - difference) / 2)


def intervals(runs: int, seed: int = 0) -> Rows:
    """Coverage of 95 % intervals for a paired 0/1 difference, and rejections of two equal variants, looked at once."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    for n in (20, 50, 200, 500):
        d = signs(rng, (runs, n), 0.2, 0.04)
        wins, losses = (d > 0).sum(1), (d < 0).sum(1)
        low, high = tango_interval(wins, losses, n)
        mean, se = d.mean(1), d.std(1, ddof=1) / np.sqrt(n)
        equal = signs(rng, (runs, n), 0.2)
        p = mcnemar_midp((equal > 0).sum(1), (equal < 0).sum(1))
        rows.append(
            {
                "questions": n,
                "tango": float(((low <= 0.04) & (high >= 0.04)).mean()),
                "normal": float((np.abs(mean - 0.04) <= 1.96 * se).mean()),
                "mcnemar": float((p < ALPHA).mean()),
            }
        )
    return rows


def peeking(runs: int, seed: int = 1) -> Rows:
    """Two equal variants, a look after every 20 of 600 questions: how often each rule ever calls them different."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    for discordant in (0.1, 0.2, 0.4):
        d = signs(rng, (runs, QUESTIONS), discordant)
        wins, losses = np.cumsum(d > 0, 1), np.cumsum(d < 0, 1)
        looks = slice(BLOCK - 1, None, BLOCK)
        fixed = mcnemar_midp(wins[:, looks], losses[:, looks]) < ALPHA
        valid = log_e(wins, losses) >= -np.log(ALPHA)
        rows.append(
            {
                "discordant": discordant,
                "fixed": float(fixed.any(1).mean()),
                "e_at_looks": float(valid[:, looks].any(1).mean()),
                "e_at_every": float(valid.any(1).mean()),
            }
        )
    return rows


def savings(runs: int, seed: int = 2) -> Rows:
    """How soon the e-process settles a true difference, beside the test size a fixed plan needs for it (80 % power)."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    for discordant, difference in ((0.2, 0.05), (0.2, 0.1), (0.3, 0.2), (0.5, 0.4)):
        d = signs(rng, (runs, 2 * QUESTIONS), discordant, difference)
        clear = log_e(np.cumsum(d > 0, 1), np.cumsum(d < 0, 1))[:, BLOCK - 1 :: BLOCK] >= -np.log(ALPHA)
        settled = clear.any(1)
        when = np.where(settled, (clear.argmax(1) + 1) * BLOCK, 2 * QUESTIONS)
        z, power = -ndtri(ALPHA / 2), ndtri(0.8)
        fixed = (z * np.sqrt(discordant) + power * np.sqrt(discordant - difference**2)) ** 2 / difference**2
        rows.append(
            {
                "difference": difference,
                "discordant": discordant,
                "median": float(np.median(when)),
                "ninth": float(np.quantile(when, 0.9)),
                "settled": float(settled.mean()),
                "fixed": int(np.ceil(fixed)),
            }
        )
    return rows


def answers(rng: np.random.Generator, rates: list[float], n: int) -> np.ndarray:
    """0/1 scores (variants, questions), correlated by the questions' difficulty."""
    ability = norm.ppf(rates)[:, None] * np.sqrt(1.5)
    return (rng.normal(size=n) + rng.normal(size=(len(rates), n)) * np.sqrt(0.5) < ability).astype(float)


def run_race(scores: np.ndarray) -> RaceState:
    names = [f"v{k}" for k in range(len(scores))]
    race = RaceState(names, names[0])
    for start in range(0, scores.shape[1], BLOCK):
        if race.over:
            break
        race.add({name: scores[int(name[1:]), start : start + BLOCK].tolist() for name in race.active})
    return race


LADDERS: dict[str, list[float]] = {
    "3 equal variants": [0.6] * 3,
    "6 equal variants": [0.6] * 6,
    "one clear winner of 6": [0.5, 0.3, 0.4, 0.5, 0.55, 0.85],
    "two good of 6": [0.5, 0.3, 0.4, 0.5, 0.83, 0.85],
}


def races(runs: int, seed: int = 3) -> Rows:
    """Whole races over 600 questions: how often the truly best is dropped or any of equals, and the answers saved."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    for name, rates in LADDERS.items():
        wrong, saved, asked = 0, [], []
        for _ in range(runs):
            race = run_race(answers(rng, rates, QUESTIONS))
            wrong += any(rates[int(v[1:])] >= rates[int(o.better[1:])] for v, o in race.out.items())
            facts = race.record(0, QUESTIONS, BLOCK)
            saved.append(1 - facts.answers / facts.of_answers)
            asked.append(facts.questions)
        rows.append(
            {
                "ladder": name,
                "wrong": wrong / runs,
                "saved": float(np.mean(saved)),
                "questions": float(np.median(asked)),
            }
        )
    return rows


def sequences(runs: int, seed: int = 4) -> Rows:
    """Confidence sequences that missed the true mean at any of 12 looks, and their width against a fixed interval's."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    for kind in ("0/1", "graded"):
        missed, width = 0, []
        for _ in range(runs):
            if kind == "0/1":
                d, truth = signs(rng, (1, 240), 0.3, 0.1)[0].astype(float), 0.1
            else:
                d, truth = rng.beta(2, 1, 240) - rng.beta(1, 1, 240), 2 / 3 - 1 / 2
            looks = [confidence_sequence(d[:n], None, 0.95) for n in range(20, 241, 20)]
            missed += any(not low <= truth <= high for low, high in looks)
            width.append((looks[-1][1] - looks[-1][0]) / (2 * 1.96 * d.std(ddof=1) / np.sqrt(len(d))))
        rows.append({"scores": kind, "missed": missed / runs, "width": float(np.mean(width))})
    return rows


def winners(runs: int, seed: int = 5) -> Rows:
    """By how much the best of k equal configurations (60 % right) looks better than it is, and what the report says."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    for n in (100, 200, 1000):
        row: dict[str, Cell] = {"questions": n}
        for k in (3, 12):
            best = rng.binomial(n, 0.6, (runs, k)).max(1) / n
            row |= {f"best_of_{k}": float(best.mean() - 0.6), f"told_{k}": expected_luck(k, 0.6, n)}
        rows.append(row)
    return rows


def curves(runs: int, seed: int = 6) -> Rows:
    """How often the learning curve's 95 % band holds the true score at twice and four times the examples."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    sizes = np.array([100, 200, 400, 800])
    for c, a, b in ((0.95, 2.0, 0.4), (0.8, 5.0, 0.7), (0.6, 0.5, 0.2)):
        held, width = np.zeros(2), np.zeros(2)
        for _ in range(runs):
            right = rng.binomial(300, c - a * sizes**-b)
            low, high = wilson(right, 300)
            points = [
                (int(n), Estimate(value=r / 300, low=lo, high=hi, n=300))
                for n, r, lo, hi in zip(sizes, right, low, high, strict=True)
            ]
            for k, p in enumerate(learning_curve("tuned", points).forecast):
                held[k] += (p.low or 0) <= c - a * p.n**-b <= (p.high or 0)
                width[k] += (p.high or 0) - (p.low or 0)
        found = {
            "twice": held[0] / runs,
            "width_twice": width[0] / runs,
            "four": held[1] / runs,
            "width_four": width[1] / runs,
        }
        rows.append({"curve": f"{c} − {a}·n^−{b}", **{k: float(v) for k, v in found.items()}})
    return rows


def seeds(runs: int, seed: int = 8) -> Rows:
    """Coverage of a training recipe's mean when a few adapters, alike but for the seed, answer 200 questions: over
    questions and seeds, and over questions alone."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    for spread in (0.0, 0.03, 0.1):
        for drawn in (2, 3, 5):
            kept = alone = 0
            width = 0.0
            for _ in range(runs):
                scores = (
                    rng.normal(0, 0.3, (200, 1)) + rng.normal(0, spread, (1, drawn)) + rng.normal(0, 0.3, (200, drawn))
                )
                low, high = crossed_interval(scores, least=-9, most=9)
                means = scores.mean(1)
                kept += low <= 0 <= high
                alone += abs(means.mean()) <= 1.972 * means.std(ddof=1) / np.sqrt(200)
                width += high - low
            rows.append(
                {
                    "between": spread,
                    "seeds": drawn,
                    "crossed": kept / runs,
                    "items": alone / runs,
                    "width": width / runs,
                }
            )
    return rows


SIMULATIONS: dict[str, tuple[Callable[[int], Rows], int]] = {
    "intervals": (intervals, 20_000),
    "peeking": (peeking, 10_000),
    "savings": (savings, 4_000),
    "races": (races, 200),
    "sequences": (sequences, 100),
    "winners": (winners, 20_000),
    "curves": (curves, 400),
    "seeds": (seeds, 4_000),
    "gates": (gates, 3_000),
    "alarms": (alarms, 2_000),
    "watches": (watches, 1_000),
}
"""Each simulation with how often it is drawn for the page."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="folder with the domain data sets, to count the leakage levels as well"
    )
    parser.add_argument(
        "--only", nargs="*", choices=SIMULATIONS, help="draw these again and keep the others as they are"
    )
    args = parser.parse_args()
    if args.data:
        save("leakage", {"tables": {"leakage": leakage(args.data)}})
    tables, runs = {}, {}
    if args.only is not None:
        kept = json.loads((RESULTS / "simulations.json").read_text(encoding="utf-8"))
        tables, runs = kept["tables"], kept["runs"]
    for name, (simulate, times) in SIMULATIONS.items():
        if args.only is not None and name not in args.only:
            continue
        print(f"{name}: {times:,} draws", flush=True)
        tables[name], runs[name] = simulate(times), times
    save("simulations", {"runs": runs, "tables": tables})
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
