"""Counter noise has the published bits, on every device, and is Gumbel noise."""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import kstest

from domainkit.inference.engine.sequences.counter_noise import GAMMA, WORD, _mix, counter_gumbel, signed, stream_key


def test_the_bits_are_those_of_splitmix64() -> None:
    """The first numbers from seed 1234567, as other implementations give them."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [_mix(1234567 + (i + 1) * GAMMA) for i in range(4)] == published


def test_tensors_compute_what_integers_do() -> None:
    keys = [0, 5, 2**63, WORD - 1, stream_key(-7, 3)]
    found = counter_gumbel(torch.tensor([[signed(key)] for key in keys]), torch.tensor([0, 1, 131_071]))
    bits = [[_mix(key + (token + 1) * GAMMA) >> 12 for token in (0, 1, 131_071)] for key in keys]
    expected = -np.log(-np.log((np.array(bits) + 0.5) * 2.0**-52))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13)


def test_rows_have_their_noise_alone_and_at_any_tokens() -> None:
    keys = torch.tensor([[signed(stream_key(seed, 4))] for seed in (1, 2, 3)])
    together = counter_gumbel(keys, torch.arange(1000))
    tokens = torch.tensor([[7, 999], [0, 3], [500, 501]])
    assert torch.equal(counter_gumbel(keys, tokens), together.gather(1, tokens))
    assert torch.equal(counter_gumbel(keys[1:2], torch.arange(1000)), together[1:2])


def test_it_is_gumbel_noise_whatever_seed_and_position() -> None:
    """Over tokens, over positions of one seed, and over seeds at one place."""
    first = counter_gumbel(torch.tensor([[signed(stream_key(0, 0))]]), torch.arange(200_000))
    positions = torch.tensor([[signed(stream_key(0, position))] for position in range(20_000)])
    seeds = torch.tensor([[signed(stream_key(seed, 0))] for seed in range(20_000)])
    for noise in (first, counter_gumbel(positions, torch.arange(1)), counter_gumbel(seeds, torch.arange(1))):
        assert kstest(noise.flatten().numpy(), "gumbel_r").pvalue > 0.001
    assert bool(first.isfinite().all())


def test_the_largest_and_smallest_bits_give_finite_noise() -> None:
    uniform = (torch.tensor([0, 2**52 - 1]).double() + 0.5) * 2.0**-52
    assert bool(uniform.log().neg().log().neg().isfinite().all())
