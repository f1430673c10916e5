"""A replay tells an adapter that acts the same from one that is not applied, at a wrong scale, or too weak to tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from domainkit.export.replay.forced import Forced, agreement, mean_difference
from domainkit.export.replay.proof import judge_replay, make_replay

RNG = np.random.default_rng(0)
BASE = RNG.normal(-4, 2, (20, 6))
EFFECT = RNG.normal(1.5, 1.0, (20, 6))


def forced(values: Any, choices: Any = None) -> Forced:
    tokens = np.zeros((20, 6), int) if choices is None else choices
    return Forced(tuple(map(tuple, values)), tuple(map(tuple, tokens)))


def noise(size: float) -> Any:
    return RNG.normal(0, size, (20, 6))


@pytest.mark.parametrize(
    ("scale", "own", "state", "said"),
    [
        (1.0, 0.01, "SAME", "no more than the engine's own rounding"),
        (0.0, 0.01, "DIFFERENT", "did not apply the adapter"),
        (0.25, 0.01, "DIFFERENT", "its scale, its rows or its base"),
        (2.0, 0.01, "DIFFERENT", "its scale, its rows or its base"),
        (1.0, 0.8, "CANNOT TELL", "no more than 4 times what the engines differ by anyway"),
        (0.9, 0.01, "DIFFERENT", "rounded in another way"),
    ],
)
def test_the_verdict_of_a_replay(scale: float, own: float, state: str, said: str) -> None:
    there = BASE + noise(own)
    sides = forced(BASE), forced(BASE + EFFECT), forced(there), forced(BASE + scale * EFFECT + noise(own))
    found, why = judge_replay(*sides)
    assert (found, said in why) == (state, True), why


def test_what_is_counted() -> None:
    one = forced(BASE, np.tile(np.arange(6), (20, 1)))
    other = forced(BASE + 0.5, np.tile([0, 9, 2, 3, 4, 5], (20, 1)))
    assert mean_difference(one, other) == pytest.approx(0.5)
    assert agreement(one, other) == pytest.approx(5 / 6)
    assert agreement(one, other, first_only=True) == 1.0
    record = make_replay("engine", "a" * 64, None, (one, other, one, other), (), None)
    assert (record.answers, record.tokens, record.adapter_error) == (20, 120, 0.0)
    assert "Replay in engine: 20 held-out answers, 120 tokens" in record.lines()[0]
