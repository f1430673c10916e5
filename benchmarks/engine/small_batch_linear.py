"""The linear layers of one pass over few tokens, in two forms: x Wᵀ, as torch computes it, and W xᵀ.

python -m benchmarks.engine.small_batch_linear

Random weights in the shapes of SmolLM2-135M, all layers and the head. Median of nine runs of each form, in turn.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from benchmarks.runs import save
from domainkit.inference.engine.acceleration.small_batch_linear import MAX_TOKENS, MIN_TOKENS, transposed_linear

WIDTH, KEYS, INNER, LAYERS, VOCABULARY = 576, 192, 1536, 30, 49152
LAYER = [(WIDTH, WIDTH)] * 2 + [(WIDTH, KEYS)] * 2 + [(WIDTH, INNER)] * 2 + [(INNER, WIDTH)]
TOKENS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 40, 48, 56, 64, 96)
FORMS: dict[str, Callable[..., torch.Tensor]] = {"linear": torch.nn.functional.linear, "transposed": transposed_linear}


def main() -> None:
    layers = [torch.nn.Linear(i, o, bias=False) for i, o in [*LAYER * LAYERS, (WIDTH, VOCABULARY)]]
    rows = []
    with torch.inference_mode():
        for tokens in TOKENS:
            rows.append({"tokens": tokens, **milliseconds(layers, tokens)})
            print(
                "{tokens:3d} tokens: {linear:6.1f} ms, transposed {transposed:6.1f} ms".format(**rows[-1]), flush=True
            )
    gains = [r["linear"] / r["transposed"] for r in rows if MIN_TOKENS <= r["tokens"] <= MAX_TOKENS]
    facts = {
        "command": "python -m benchmarks.engine.small_batch_linear",
        "used_from": MIN_TOKENS,
        "used_to": MAX_TOKENS,
        "milliseconds": rows,
        "times_as_fast": {"least": min(gains), "median": statistics.median(gains), "most": max(gains)},
    }
    save("small_batch_linear", facts)


def milliseconds(layers: list[torch.nn.Linear], tokens: int, repeats: int = 9) -> dict[str, float]:
    """The median time of each form over all layers."""
    inputs = {width: torch.randn(tokens, width) for width in (WIDTH, INNER)}
    seconds: dict[str, list[float]] = {name: [] for name in FORMS}
    for _ in range(repeats + 1):  # the first of each warms up
        for name, form in FORMS.items():
            begin = time.perf_counter()
            for layer in layers:
                form(inputs[layer.in_features], layer.weight, None)
            seconds[name].append(time.perf_counter() - begin)
    return {name: 1000 * statistics.median(took[1:]) for name, took in seconds.items()}


if __name__ == "__main__":
    main()
