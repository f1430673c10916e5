"""The linear layers of one pass over few tokens, in both forms, one after the other in one run: x Wᵀ, as torch has it, and W xᵀ.

python -m benchmarks.few_rows

Random weights in the shapes of SmolLM2-135M, all layers and the head; median of nine, of which the other form's come between.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch

from benchmarks.runs import save
from domainkit.inference.engine.acceleration.small_batch_linear import LEAST, MOST, FewRowsLinear

WIDTH, KEYS, INNER, LAYERS, VOCABULARY = 576, 192, 1536, 30, 49152
LAYER = [(WIDTH, WIDTH)] * 2 + [(WIDTH, KEYS)] * 2 + [(WIDTH, INNER)] * 2 + [(INNER, WIDTH)]
TOKENS = (1, 2, 4, 6, 8, 12, 16, 24, 32, 40, 48, 56, 64, 96)


def main() -> None:
    layers = [torch.nn.Linear(i, o, bias=False) for i, o in [*LAYER * LAYERS, (WIDTH, VOCABULARY)]]
    rows = []
    with torch.inference_mode():
        for tokens in TOKENS:
            rows.append(compare(layers, tokens))
            print("{tokens:3d} tokens: {linear:6.1f} ms, turned {turned:6.1f} ms".format(**rows[-1]), flush=True)
    inside = [r["linear"] / r["turned"] for r in rows if LEAST <= r["tokens"] <= MOST]
    facts = {"command": "python -m benchmarks.few_rows", "used_from": LEAST, "used_to": MOST, "milliseconds": rows}
    save(
        "few_rows",
        {**facts, "times_as_fast": {"least": min(inside), "median": statistics.median(inside), "most": max(inside)}},
    )


def compare(layers: list[torch.nn.Linear], tokens: int, repeats: int = 9) -> dict[str, Any]:
    given = {width: torch.randn(tokens, width) for width in (WIDTH, INNER)}
    ways = {"linear": torch.nn.Linear.forward, "turned": FewRowsLinear.turned}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + 1):  # the first of each warms up
        for name, way in ways.items():
            begin = time.perf_counter()
            for layer in layers:
                way(layer, given[layer.in_features])
            seconds[name].append(time.perf_counter() - begin)
    return {"tokens": tokens, **{name: 1000 * statistics.median(took[1:]) for name, took in seconds.items()}}


if __name__ == "__main__":
    main()
