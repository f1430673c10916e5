"""The tokens of one pass over many rows: decided one row at a time, and together.

python -m benchmarks.engine.next_tokens [--rows 64] [--vocabulary 131072] [--rounds 7]

Times are of the processor, in milliseconds of a pass: medians of rounds in which all ways take turns. "Kernels" and
"copies" are what a device would be given: counted on torch's `meta` device, which computes nothing.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.runs import save
from domainkit.inference.constrained.constraint import Constraint
from domainkit.inference.engine.sequences.counter_noise import stream_key
from domainkit.inference.engine.sequences.next_tokens import Draw, next_tokens
from domainkit.inference.engine.sequences.sampling import gumbel_noise, random_generator, sample


class SomeTokens(Constraint):
    """Allows a thousand tokens; its mask costs nothing, so that what is measured is what is done with it."""

    complete = finished = False

    def __init__(self, width: int, seed: int) -> None:
        allowed = np.zeros(-(-width // 32) * 32, dtype=bool)
        allowed[np.random.default_rng(seed).choice(width, 1000, replace=False)] = True
        self._width = width
        self._words = np.packbits(allowed, bitorder="little").view(np.uint32)

    def fill(self, words: np.ndarray) -> None:
        words[:] = self._words

    def mask(self) -> torch.Tensor:
        bits = np.unpackbits(self._words.view(np.uint8), count=self._width, bitorder="little")
        return torch.from_numpy(bits.view(bool))

    def advance(self, token: int) -> None:
        """Nothing changes."""

    def forced(self) -> list[int]:
        return []


def one_by_one(logits: torch.Tensor, draws: list[Draw]) -> list[int]:
    """As a sequence does for itself on a CPU, after the largest logits of all rows were found."""
    logits.argmax(-1).tolist()
    found = []
    for i, (row, draw) in enumerate(zip(logits, draws, strict=True)):
        allowed = row
        if draw.constraint is not None:
            allowed = row.clone()
            draw.constraint.apply(allowed)
        noise = gumbel_noise(len(row), random_generator(i)) if draw.temperature > 0 else None
        found.append(sample(allowed, draw.temperature, draw.top_p, noise).index)
    return found


def together(logits: torch.Tensor, draws: list[Draw]) -> list[int]:
    return next_tokens(logits, draws, exact=False).tokens


class Kernels(TorchDispatchMode):
    """Counts the operations whose result is on the device, and those that bring something there."""

    def __init__(self) -> None:
        super().__init__()
        self.n = self.copies = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        on_device = isinstance(found, torch.Tensor) and found.device.type == "meta"
        self.n += on_device
        self.copies += on_device and any(isinstance(a, torch.Tensor) and a.device.type == "cpu" for a in args)
        return found


def counted(shape: tuple[int, int], draws: list[Draw]) -> dict[str, int]:
    nothing: Callable[[torch.Tensor], Any] = lambda t: np.zeros(t.shape, dtype=int).tolist()  # noqa: E731
    with patch.object(torch.Tensor, "tolist", nothing), Kernels() as kernels:
        next_tokens(torch.zeros(shape, device="meta", dtype=torch.bfloat16), draws, exact=False)
    return {"kernels": kernels.n, "copies": kernels.copies}


def measure(rows: int, width: int, rounds: int) -> list[dict[str, Any]]:
    logits = torch.randn(rows, width, generator=torch.Generator().manual_seed(0)) * 2
    logits[:, :50] += 16  # as of ordinary text: few tokens hold most of the probability
    constraints = [SomeTokens(width, i) for i in range(rows)]
    kinds = {
        "greedy, constrained": [Draw(constraint=c) for c in constraints],
        "temperature 1": [Draw(1.0, 1.0, stream_key(i, 0)) for i in range(rows)],
        "temperature 1, top_p 0.9": [Draw(1.0, 0.9, stream_key(i, 0)) for i in range(rows)],
    }
    figures = []
    for name, draws in kinds.items():
        times: dict[str, list[float]] = {"one by one": [], "together": []}
        for _ in range(rounds):
            for way, decide in (("one by one", one_by_one), ("together", together)):
                begin = time.process_time()
                decide(logits, draws)
                times[way].append((time.process_time() - begin) * 1e3)
        medians = {way: round(statistics.median(of), 1) for way, of in times.items()}
        figures.append({"rows": name, "milliseconds": medians, **counted((rows, width), draws)})
        print(figures[-1], flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--vocabulary", type=int, default=131_072)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with torch.inference_mode():
        figures = measure(args.rows, args.vocabulary, args.rounds)
    save("next_tokens", {"rows": args.rows, "vocabulary": args.vocabulary, "rounds": args.rounds, "kinds": figures})


if __name__ == "__main__":
    main()
