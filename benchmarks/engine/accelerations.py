"""What each acceleration of the engine gains: the same workload with all of them, and without each one alone.

python -m benchmarks.engine.accelerations [--repeats 3] [--new-tokens 6] [--out TRY]

Every setting has an engine of its own in one process. The engines answer in turn, so that a slow moment of the machine
meets all of them. A gain is the seconds without the part divided by the seconds with all parts: the median of the
ratios of each turn. Batch invariance has no gain in time; it is reported how many texts differ without it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from benchmarks.chat_model.base import PACKAGED, folder_of, make_adapters
from benchmarks.chat_model.throughput import RANK, prompts_of
from benchmarks.runs import save
from domainkit.inference.backend import Request
from domainkit.inference.engine.acceleration import ALL_OFF, ALL_ON, Acceleration
from domainkit.inference.local import LocalBackend
from domainkit.messages import Message

ON = "all on"
SETTINGS = {
    ON: ALL_ON,
    **{f.name: Acceleration(**{f.name: False}) for f in fields(Acceleration)},
    "all off": ALL_OFF,
}
"""By the name of what is off."""
Batches = list[list[Request]]


def workload(adapters: Sequence[str], new_tokens: int) -> dict[str, Batches]:
    """Batches of requests, by the case that each part may show in."""
    prompts = prompts_of(12, adapters)

    def batch(case: str, count: int) -> list[Request]:
        return [request_of(prompt, new_tokens, i) for i, prompt in enumerate(prompts[case][:count])]

    return {
        "one prefix, 12 rows": [batch("eight examples", 12)],
        "three adapters, 6 rows": [batch("three adapters", 6)],
        "8 rows": [batch("zero-shot", 8)],
        "3 batches of 1": [[request] for request in batch("zero-shot", 3)],
    }


def request_of(prompt: Mapping[str, Any], new_tokens: int, number: int) -> Request:
    """Every second answer is sampled, with a seed of its own."""
    turns = tuple(Message(role, text) for role, text in prompt["messages"])
    sampled = {"temperature": float(number % 2), "seed": number}
    return Request(turns, adapter=prompt["adapter"], max_tokens=new_tokens, **sampled)


def measure(base: str, cases: Mapping[str, Batches], repeats: int) -> dict[str, Any]:
    """For each case and setting: median seconds, the gain of what is off, and texts that differ from all on."""
    backends = {name: LocalBackend(base, None, "none", "auto", acceleration=a) for name, a in SETTINGS.items()}
    found: dict[str, Any] = {}
    for case, batches in cases.items():
        took: dict[str, list[float]] = {name: [] for name in backends}
        texts = {}
        for turn in range(repeats + 1):  # the first warms up, and loads the adapters
            first = turn % len(backends)
            for name in [*list(backends)[first:], *list(backends)[:first]]:
                seconds, texts[name] = answer(backends[name], batches)
                took[name] += [seconds] * (turn > 0)
        found[case] = {name: row(took[name], took[ON], texts[name], texts[ON]) for name in backends}
        for name, figures in found[case].items():
            print(f"{case:24} without {name:24} {figures['seconds']:6.2f} s, gain {figures['gain']:.2f}", flush=True)
    for backend in backends.values():
        backend.close()
    return found


def answer(backend: LocalBackend, batches: Batches) -> tuple[float, list[str]]:
    """(processor seconds, texts) of all batches, one after the other, from an empty prefix cache."""
    backend.engine().prefixes.clear()
    begin = time.process_time()  # of all threads, without the time of other processes
    completions = [completion for batch in batches for completion in backend.complete(batch)]
    return time.process_time() - begin, [c.text for c in completions]


def row(seconds: list[float], with_all: list[float], texts: list[str], texts_with_all: list[str]) -> dict[str, Any]:
    gains = [off / on for off, on in zip(seconds, with_all, strict=True)]
    return {
        "seconds": statistics.median(seconds),
        "gain": statistics.median(gains),
        "gain_range": [min(gains), max(gains)],
        "texts": len(texts),
        "texts_that_differ": sum(a != b for a, b in zip(texts, texts_with_all, strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--new-tokens", type=int, default=6)
    parser.add_argument("--out", default="accelerations", help="name of the file in benchmarks/results/")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        adapters = make_adapters(folder_of(PACKAGED), Path(work), RANK, n=3)
        cases = measure(PACKAGED, workload(adapters, args.new_tokens), args.repeats)
    save(args.out, {"command": " ".join(["python -m benchmarks.engine.accelerations", *sys.argv[1:]]), "cases": cases})


if __name__ == "__main__":
    main()
