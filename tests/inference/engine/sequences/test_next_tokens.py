"""Rows decided together get the tokens that each would get alone, and those of the definition in sampling.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from benchmarks.engine.next_tokens import Kernels
from domainkit.errors import RequestError
from domainkit.inference.constrained.constraint import Constraint
from domainkit.inference.engine.sequences import sampling
from domainkit.inference.engine.sequences.counter_noise import counter_gumbel, signed, stream_key
from domainkit.inference.engine.sequences.next_tokens import Draw, Masks, next_tokens
from domainkit.inference.engine.sequences.sampling import Sample, near_tie_margin, sample

WIDTH = 1000


class Allows(Constraint):
    """Allows the same tokens at every step; none: a schema that leads nowhere."""

    complete = finished = False

    def __init__(self, *tokens: int) -> None:
        self.tokens = tokens

    def fill(self, words: np.ndarray) -> None:
        if not self.tokens:
            raise RequestError("no token can continue the answer", next_step="loosen the schema")
        words.fill(0)
        for token in self.tokens:
            words[token // 32] |= np.uint32(1 << token % 32)

    def mask(self) -> torch.Tensor:
        mask = torch.zeros(WIDTH, dtype=torch.bool)
        mask[list(self.tokens)] = True
        return mask

    def advance(self, token: int) -> None: ...

    def forced(self) -> list[int]:
        return []


def key(seed: int, position: int = 0) -> int:
    return stream_key(seed, position)


def defined(logits: torch.Tensor, draw: Draw | None, *, exact: bool) -> Sample:
    """What sampling.py says of one row."""
    draw = draw or Draw()
    margin = near_tie_margin(logits) if exact else 0.0
    logits = logits.clone()
    if draw.constraint:
        draw.constraint.apply(logits)
    noise = counter_gumbel(torch.tensor([[signed(draw.key)]]), torch.arange(logits.numel()))[0]
    return sample(logits, draw.temperature, draw.top_p, noise, margin)


def some_draws() -> list[Draw | None]:
    allowed = Allows(0, 5, 31, 32, 63, 64, 500, 999)
    return [
        None,
        Draw(constraint=allowed),
        Draw(constraint=Allows(777)),
        *(
            Draw(t, p, key(i))
            for i, (t, p) in enumerate([(1.0, 1.0), (0.7, 0.9), (2.0, 0.5), (0.2, 1.0), (3.0, 0.999)])
        ),
        Draw(1.0, 1.0, key(8), allowed),
        Draw(0.8, 0.9, key(9), allowed),
        Draw(1.5, 0.9, key(10), Allows(3)),
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("exact", [False, True])
def test_rows_together_get_what_each_gets_by_definition(
    dtype: torch.dtype, exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "NEAR_TIE", 2e-2)  # so many logits are near ties
    random, draws, tied = torch.Generator().manual_seed(0), some_draws(), [0] * len(some_draws())
    for spread in (0.1, 3.0) * 4:
        logits = (torch.randn(len(draws), WIDTH, generator=random) * spread).to(dtype)
        found = next_tokens(logits, draws, exact=exact)
        for i, (row, draw) in enumerate(zip(logits, draws, strict=True)):
            expected = defined(row, draw, exact=exact)
            alone = next_tokens(row[None].clone(), [draw], exact=exact)
            assert (alone.tokens, alone.near_ties) == ([found.tokens[i]], [found.near_ties[i]]), "as in company"
            assert found.tokens[i] == expected.index, "also where equal logits are at the border of top_p"
            if dtype == torch.float32:
                assert found.near_ties[i] == expected.near_tie
            tied[i] += found.near_ties[i]
    assert (sum(map(bool, tied)) >= 4) is exact


def test_logits_stay_as_they_are() -> None:
    logits = torch.randn(len(some_draws()), WIDTH)
    before = logits.clone()
    next_tokens(logits, some_draws(), exact=True)
    assert torch.equal(logits, before)


@pytest.mark.parametrize("top_p, expected", [(1.0, [0.5, 0.3, 0.15, 0.05]), (0.9, [0.5, 0.3, 0.15, 0.0])])
def test_draws_follow_the_distribution(top_p: float, expected: list[float]) -> None:
    """Positions of one seed, and seeds at one position."""
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05])).expand(4000, 4)
    for keys in ([key(0, i) for i in range(4000)], [key(i, 0) for i in range(4000)]):
        found = next_tokens(logits.clone(), [Draw(1.0, top_p, k) for k in keys], exact=False).tokens
        counts = np.bincount(found, minlength=4)
        possible = np.array(expected) > 0
        assert counts[~possible].sum() == 0
        wanted = np.array(expected)[possible] / sum(expected) * 4000
        assert chisquare(counts[possible], wanted).pvalue > 0.001


def test_a_flat_distribution_is_not_cut_short() -> None:
    """Its top_p needs more than the tokens that are looked at first."""
    draws = [Draw(1.0, 0.99, key(i)) for i in range(300)]
    assert max(next_tokens(torch.zeros(300, 2000), draws, exact=False).tokens) > 300


def test_one_rows_error_leaves_the_others_their_tokens() -> None:
    logits = torch.randn(3, WIDTH)
    found = next_tokens(logits, [Draw(constraint=Allows(4)), Draw(constraint=Allows()), None], exact=False)
    assert found.tokens[0] == 4
    assert found.tokens[2] == int(logits[2].argmax())
    assert list(found.errors) == [1]
    assert "no token can continue" in str(found.errors[1])


def test_bits_are_read_on_a_device_as_on_the_cpu() -> None:
    logits = torch.zeros(3, WIDTH)
    masks = Masks({0: Allows(0, 31, 32, 999), 1: Allows(5), 2: Allows(*range(100, 900))}, logits)
    on_cpu = masks.apply(logits.clone(), [2, 0, 1])
    masks._on_device = torch.from_numpy(masks._words.view(np.int32))
    assert torch.equal(masks.apply(logits.clone(), [2, 0, 1]), on_cpu)


def test_a_device_does_the_same_work_for_many_rows_as_for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """No kernel, no copy and no wait for each row, and nothing on the CPU that belongs to the device."""
    waits = []
    monkeypatch.setattr(
        torch.Tensor, "tolist", lambda t: waits.append(t.shape) or torch.zeros(t.shape).numpy().tolist()
    )
    counts = []
    for times in (1, 8):
        draws = [*some_draws() * times]
        logits = torch.zeros(len(draws), WIDTH, device="meta", dtype=torch.bfloat16)
        with Kernels() as kernels:
            next_tokens(logits, draws, exact=False)
        counts.append((kernels.n, kernels.copies))
    (few, few_copies), (many, many_copies) = counts
    assert many <= few < 200
    assert many_copies == few_copies == 2, "the masks and the options"
    assert waits == [(3, len(some_draws())), (3, 8 * len(some_draws()))]
