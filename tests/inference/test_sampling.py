from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from domainkit.inference.sampling import draw, generator

LOGITS = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))


def test_zero_temperature_is_the_argmax() -> None:
    assert draw(LOGITS, 0.0, 1.0, generator(1)) == 0


@pytest.mark.parametrize(
    "temperature, expected", [(1.0, [0.5, 0.3, 0.15, 0.05]), (0.5, [0.685, 0.2466, 0.0616, 0.0068])]
)
def test_draws_follow_the_distribution(temperature: float, expected: list[float]) -> None:
    source = generator(0)
    counts = torch.bincount(torch.tensor([draw(LOGITS, temperature, 1.0, source) for _ in range(3000)]), minlength=4)
    wanted = np.array(expected) / sum(expected) * 3000
    assert chisquare(counts.numpy(), wanted).pvalue > 0.001


def test_top_p_keeps_the_fewest_that_reach_it() -> None:
    source = generator(0)
    assert {draw(LOGITS, 1.0, 0.5, source) for _ in range(200)} == {0}
    assert {draw(LOGITS, 1.0, 0.51, source) for _ in range(400)} == {0, 1}


def test_top_p_over_a_flat_vocabulary_is_not_cut_short() -> None:
    source = generator(0)
    assert max(draw(torch.zeros(2000), 1.0, 0.99, source) for _ in range(500)) > 300


def test_forbidden_tokens_are_never_drawn() -> None:
    logits = torch.tensor([float("-inf"), 0.0, float("-inf")])
    assert {draw(logits, 2.0, 1.0, generator(i)) for i in range(50)} == {1}


def test_a_seed_decides_and_no_seed_does_not() -> None:
    flat = torch.zeros(10_000)
    assert draw(flat, 1.0, 1.0, generator(7)) == draw(flat, 1.0, 1.0, generator(7))
    assert len({draw(flat, 1.0, 1.0, generator(None)) for _ in range(5)}) > 1
