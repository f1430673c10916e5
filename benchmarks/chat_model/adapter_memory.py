"""What adapters cost in memory: the peak of DomainLLM over three adapters, and for the same prompts on the base alone.

python -m benchmarks.chat_model.adapter_memory [--ranks 16 64] [--prompts 64] [--processes 3] [--repeats 4]

Both run in processes of their own, in turn. These have loaded an adapter of rank 1 before, because the memory of what
PEFT imports is not that of the adapters. glibc is set to give freed blocks of a mebibyte or more back at once, so
that the memory in use counts, not what glibc keeps for later. The lowest peak of a process's repeats counts, and the
median of the processes. Two ranks tell what grows with an adapter's weights from what it takes besides (PEFT's
modules, prefixes that are read once for each adapter).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.chat_model.base import make_adapters, make_base
from benchmarks.chat_model.throughput import RANK, child, prompts_of, warm_up
from benchmarks.runs import save

CASE = "three adapters"
RETURN_AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": str(2**20)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, nargs="+", default=[RANK, 4 * RANK])
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=4)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        save("chain_memory", measure(args, Path(work)))


def measure(args: argparse.Namespace, work: Path) -> dict[str, Any]:
    base, folder = make_base("smollm2-135m", work)
    [first] = make_adapters(folder, work / "first", rank=1, n=1)
    ranks = {rank: over_adapters(args, work / f"rank{rank}", base, folder, first, rank) for rank in args.ranks}
    return {
        "command": " ".join(["python -m benchmarks.chat_model.adapter_memory", *sys.argv[1:]]),
        "prompts": args.prompts,
        "ranks": ranks,
    }


def over_adapters(
    args: argparse.Namespace, work: Path, base: str, folder: Path, first: str, rank: int
) -> dict[str, Any]:
    adapters = make_adapters(folder, work, rank, n=3)
    cases = prompts_of(args.prompts, adapters)
    over, spare = cases[CASE], cases["own: eight examples, kept"][:2]
    plan = {
        "side": "DomainLLM (one submission)",
        "base": base,
        "folder": folder,
        "adapters": adapters,
        "quantization": "none",
        "new_tokens": 16,
        "repeats": args.repeats,
    }
    peaks: dict[str, list[list[int]]] = {"base": [], CASE: []}
    cases_of = {"base": [{**p, "adapter": None} for p in over], CASE: over}
    for _ in range(args.processes):
        for name, prompts in cases_of.items():
            before = [*warm_up([{"adapter": first}], spare), *warm_up(prompts, spare)]
            run = child(work, name, {**plan, "cases": {CASE: prompts}, "warm_up": {CASE: before}}, RETURN_AT_ONCE)
            peaks[name].append(run["cases"][CASE]["peaks"])
    return {"how": run["memory"]["how"], **compared(peaks, adapters)}


def compared(peaks: dict[str, list[list[int]]], adapters: Sequence[str]) -> dict[str, Any]:
    """Bytes: the peak of each, and what the adapters add for each byte of their files."""
    size = sum((Path(a) / "adapter_model.safetensors").stat().st_size for a in adapters)
    without, over = ([min(repeats) for repeats in peaks[name]] for name in ("base", CASE))
    low, high = statistics.median(without), statistics.median(over)
    return {
        "peaks": peaks,
        "adapter_bytes": size,
        "peak_on_base": low,
        "peak_over_three_adapters": high,
        "more_per_adapter_byte": (high - low) / size,
        "least_more": (min(over) - max(without)) / size,
        "most_more": (max(over) - min(without)) / size,
    }


if __name__ == "__main__":
    main()
