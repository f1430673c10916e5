"""What adapters cost in memory: DomainLLM's peak over three of them, beside its peak for the same prompts on the base alone.

python -m benchmarks.chain_memory [--prompts 64] [--repeats 7]

Each in a process of its own that has loaded an adapter of rank 1 before, for what PEFT imports is no memory of the three. glibc gives
every freed block of a mebibyte back at once there, so that what is held counts, not what it keeps for later. Of the repeats the lowest
peak counts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.chain_base import make_adapters, make_base
from benchmarks.chain_throughput import RANK, child, prompts_of, warm_up
from benchmarks.runs import save

CASE = "three adapters"
AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": str(2**20)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        save("chain_memory", measure(args, Path(work)))


def measure(args: argparse.Namespace, work: Path) -> dict[str, Any]:
    base, folder = make_base("smollm2-135m", work)
    adapters = make_adapters(folder, work, RANK, n=3)
    [first] = make_adapters(folder, work / "first", rank=1, n=1)
    cases = prompts_of(args.prompts, adapters)
    over, spare = cases[CASE], cases["own: eight examples, kept"][:2]
    plan = {"side": "DomainLLM (one submission)", "base": base, "folder": folder, "adapters": adapters, "quantization": "none",
            "new_tokens": 16, "repeats": args.repeats}  # fmt: skip
    found = {}
    for name, prompts in (("base", [{**p, "adapter": None} for p in over]), ("three adapters", over)):
        before = [*warm_up([{"adapter": first}], spare), *warm_up(prompts, spare)]
        run = child(work, name, {**plan, "cases": {CASE: prompts}, "warm_up": {CASE: before}}, AT_ONCE)
        found[name] = {"peaks": run["cases"][CASE]["peaks"], "how": run["memory"]["how"]}
    return {
        "command": " ".join(["python -m benchmarks.chain_memory", *sys.argv[1:]]),
        "prompts": args.prompts,
        **compared(found, adapters),
    }


def compared(found: dict[str, Any], adapters: Sequence[str]) -> dict[str, Any]:
    """Bytes: the lowest peak of each, and what the adapters add for each byte of their files."""
    size = sum((Path(a) / "adapter_model.safetensors").stat().st_size for a in adapters)
    low, high = min(found["base"]["peaks"]), min(found["three adapters"]["peaks"])
    return {
        "each": found,
        "adapter_bytes": size,
        "peak_on_base": low,
        "peak_over_three_adapters": high,
        "more_per_adapter_byte": (high - low) / size,
    }


if __name__ == "__main__":
    main()
