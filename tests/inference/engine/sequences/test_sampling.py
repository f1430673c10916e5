"""Samples follow the distribution, a seed decides them, and only near ties depend on rounding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from domainkit.inference.engine.sequences.sampling import (
    NEAR_TIE,
    Sample,
    gumbel_noise,
    logit_range,
    near_ties,
    random_generator,
    sample,
)

LOGITS = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))


def drawn(
    logits: torch.Tensor, temperature: float, top_p: float, source: np.random.Generator, margin: float = 0.0
) -> Sample:
    return sample(logits, temperature, top_p, gumbel_noise(len(logits), source), margin)


def test_zero_temperature_is_the_argmax() -> None:
    assert sample(LOGITS, 0.0, 1.0) == Sample(0, near_tie=False)
    assert sample(LOGITS, 0.0, 1.0, gumbel_noise(4, random_generator(3))).index == 0


@pytest.mark.parametrize(
    "temperature, expected", [(1.0, [0.5, 0.3, 0.15, 0.05]), (0.5, [0.685, 0.2466, 0.0616, 0.0068])]
)
@pytest.mark.parametrize("margin", [0.0, 1e-3])
def test_draws_follow_the_distribution(temperature: float, expected: list[float], margin: float) -> None:
    source = random_generator(0)
    found = [drawn(LOGITS, temperature, 1.0, source, margin).index for _ in range(3000)]
    counts = torch.bincount(torch.tensor(found), minlength=4)
    wanted = np.array(expected) / sum(expected) * 3000
    assert chisquare(counts.numpy(), wanted).pvalue > 0.001


def test_draws_from_the_most_probable_mass_follow_the_distribution() -> None:
    source = random_generator(0)
    counts = torch.bincount(torch.tensor([drawn(LOGITS, 1.0, 0.9, source).index for _ in range(3000)]), minlength=4)
    assert counts[3] == 0
    assert chisquare(counts[:3].numpy(), np.array([0.5, 0.3, 0.15]) / 0.95 * 3000).pvalue > 0.001


def test_top_p_keeps_the_fewest_tokens_that_reach_it() -> None:
    source = random_generator(0)
    assert {drawn(LOGITS, 1.0, 0.49, source).index for _ in range(200)} == {0}
    assert {drawn(LOGITS, 1.0, 0.51, source).index for _ in range(400)} == {0, 1}


def test_top_p_over_a_flat_vocabulary_is_not_cut_short() -> None:
    source = random_generator(0)
    assert max(drawn(torch.zeros(2000), 1.0, 0.99, source).index for _ in range(500)) > 300


def test_forbidden_tokens_are_never_drawn() -> None:
    logits = torch.tensor([float("-inf"), 0.0, float("-inf")])
    for top_p in (0.5, 1.0):
        assert {drawn(logits, 2.0, top_p, random_generator(i), 1e-3) for i in range(50)} == {Sample(1, near_tie=False)}


def test_noise_is_finite() -> None:
    """Over a real vocabulary, for a thousand steps."""
    source = random_generator(0)
    assert max(float(gumbel_noise(49_152, source).max()) for _ in range(1000)) < 45


def test_a_seed_decides_and_no_seed_does_not() -> None:
    flat = torch.zeros(10_000)
    assert drawn(flat, 1.0, 1.0, random_generator(7)) == drawn(flat, 1.0, 1.0, random_generator(7))
    assert drawn(flat, 1.0, 1.0, random_generator(-1)) != drawn(flat, 1.0, 1.0, random_generator(7))
    assert len({drawn(flat, 1.0, 1.0, random_generator(None)).index for _ in range(5)}) > 1


def test_the_range_of_logits_is_per_row() -> None:
    assert logit_range(torch.tensor([[1.0, 4.0], [2.0, 2.5]])).tolist() == [3.0, 0.5]


# ---- near ties

NEAR = 0.01


@pytest.mark.parametrize("temperature, top_p", [(0.0, 1.0), (1.0, 1.0), (0.7, 0.9), (1.5, 0.5), (0.3, 0.95)])
def test_rounding_changes_only_samples_that_are_near_ties(temperature: float, top_p: float) -> None:
    """Many logits are as close as can be: only near ties change, and some of them do."""
    random = torch.Generator().manual_seed(0)
    certain, moved = [], 0
    for i in range(1000):
        logits = torch.randint(0, 400, (60,), generator=random) / 100.0
        noise = gumbel_noise(60, random_generator(i))
        found = sample(logits, temperature, top_p, noise, NEAR)
        for _ in range(5):
            rounded = logits + (torch.rand(60, generator=random) - 0.5) * NEAR
            other = sample(rounded, temperature, top_p, noise).index
            assert found.near_tie or other == found.index
            moved += other != found.index
        certain.append(not found.near_tie)
    assert 0.5 < sum(certain) / len(certain) < 1
    assert moved


def test_the_only_possible_token_is_not_a_near_tie() -> None:
    assert sample(torch.zeros(1), 0.0, 1.0, None, 1.0) == Sample(0, near_tie=False)
    assert drawn(torch.tensor([9.0, 0.0, 0.0]), 1.0, 0.5, random_generator(0), 1e-3) == Sample(0, near_tie=False)


def test_two_equal_logits_are_a_near_tie() -> None:
    assert sample(torch.tensor([1.0, 1.0, 0.0]), 0.0, 1.0, None, 1e-6) == Sample(0, near_tie=True)


def test_near_ties_are_found_per_row_and_logits_stay_as_they_are() -> None:
    logits = torch.tensor([[5.0, 5.0 - 1e-6, 0.0], [5.0, 4.0, 0.0], [0.0, 1.0, 1.0]])
    before = logits.clone()
    assert near_ties(logits, logits.argmax(-1), NEAR_TIE * logit_range(logits)).tolist() == [True, False, True]
    assert torch.equal(logits, before)
