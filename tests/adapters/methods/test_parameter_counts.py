"""What each method trains has the size that its paper's formula gives.

The tiny base has two blocks of the width 64 with a feed-forward width of 128. Keys and values have the width 32.
"""

from __future__ import annotations

from typing import Any

import pytest

from domainkit.adapters.methods import attach, parse_method
from domainkit.models.load import load_base

BLOCKS, WIDTH, INNER, KEYS = 2, 64, 128, 32
LINEAR = [(WIDTH, WIDTH), (WIDTH, KEYS), (WIDTH, KEYS), (WIDTH, WIDTH), *[(WIDTH, INNER)] * 2, (INNER, WIDTH)]
"""(inputs, outputs) of a block's queries, keys, values, attention output, and the three of its feed-forward."""


def lokr(inputs: int, outputs: int, rank: int) -> int:
    """Each side is cut near its square root: a whole left factor, and a right one of low rank."""
    cut = {32: (4, 8), 64: (8, 8), 128: (8, 16)}
    (left_in, right_in), (left_out, right_out) = cut[inputs], cut[outputs]
    return left_out * left_in + rank * (right_out + right_in)


COUNTS: list[tuple[str, dict[str, Any], int]] = [
    ("loha", {"rank": 4}, BLOCKS * sum(2 * 4 * (i + o) for i, o in LINEAR)),
    ("lokr", {"rank": 2}, BLOCKS * sum(lokr(i, o, 2) for i, o in LINEAR)),
    ("vera", {"rank": 16}, BLOCKS * sum(16 + o for _, o in LINEAR)),
    # Skew-symmetric blocks of the width 32.
    ("oft", {"block_size": 32}, BLOCKS * sum(i // 32 * (32 * 31 // 2) for i, _ in LINEAR)),
    # PEFT keeps whole blocks, and a scale per output; queries and values.
    (
        "boft",
        {"block_size": 8, "factors": 2},
        BLOCKS * sum(2 * (i // 8) * 8 * 8 + o for i, o in (LINEAR[0], LINEAR[2])),
    ),
    ("ia3", {}, BLOCKS * (KEYS + KEYS + INNER)),
    ("bottleneck", {"size": 8}, BLOCKS * (2 * WIDTH * 8 + 8 + WIDTH)),
    ("bottleneck", {"size": 8, "placement": "houlsby"}, 2 * BLOCKS * (2 * WIDTH * 8 + 8 + WIDTH)),
    ("direft", {"rank": 4, "tied": True}, BLOCKS * (2 * 4 * WIDTH + 4)),
    # At the first and at the last positions; after the last block only the latter have an effect.
    ("direft", {"rank": 4, "tied": False}, (2 * BLOCKS - 1) * (2 * 4 * WIDTH + 4)),
    ("prompt_tuning", {"tokens": 5}, 5 * WIDTH),
    ("p_tuning", {"tokens": 5, "hidden": 16}, 5 * WIDTH + (WIDTH + 1) * 16 + (16 + 1) * 16 + (16 + 1) * WIDTH),
    ("prefix_tuning", {"tokens": 5}, BLOCKS * 2 * KEYS * 5),
    ("multitask_prompt_tuning", {"tokens": 5, "tasks": ["a", "b", "c"]}, 5 * WIDTH + 3 * (5 + WIDTH)),
]


@pytest.mark.parametrize(("name", "options", "wanted"), COUNTS, ids=[name for name, *_ in COUNTS])
def test_the_count_is_the_formulas(name: str, options: dict[str, Any], wanted: int, tiny_base: str) -> None:
    model = attach(parse_method(name, options), load_base(tiny_base, quantization="none").model)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == wanted


def test_full_fine_tuning_trains_as_many_weights_as_the_base_has(tiny_base: str) -> None:
    base = load_base(tiny_base, quantization="none").model
    wanted = sum(p.numel() for p in base.parameters())
    model = attach(parse_method("full", {}), base)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == wanted
