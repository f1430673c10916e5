"""A soak of the local backend: many threads, adapters, streams, cancellations and failing requests at once.

python -m benchmarks.engine.soak [--requests 500] [--threads 16] [--rounds 5] [--base builtin:smollm2-135m]
                                 [--name soak]

The soak fails, and exits with 1, if one of these is not true:

- Every answer equals the answer to the same request alone.
- Every request that must fail raises the right exception.
- No request hangs, and every slot is free at the end of a round.
- Memory at rest, without the prefix cache, does not grow after the second round.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_all
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.engine.soak_jobs import Job, answer_alone, ask, make_jobs
from domainkit.inference.engine.request_queue import REST_SECONDS
from domainkit.inference.local import LocalBackend, local_backend

GROWTH = 0.02
"""Share by which memory may differ between rounds: the allocator keeps freed memory."""


@dataclass
class Report:
    """Counts and errors of a soak."""

    done: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    hung: int = 0
    seconds: float = 0.0
    resident: list[int] = field(default_factory=list)
    """Bytes after each round."""
    kept: list[int] = field(default_factory=list)
    """Bytes of them in the prefix cache, which may grow up to its limit."""

    @property
    def growth(self) -> float:
        """Growth of resident memory without the prefix cache: the last round against the larger of the first two."""
        rest = [whole - kept for whole, kept in zip(self.resident, self.kept, strict=True)]
        return rest[-1] / max(rest[:2]) - 1

    @property
    def good(self) -> bool:
        return not self.faults and not self.hung and self.growth <= GROWTH


# ---- the soak


def soak(
    backend: LocalBackend,
    jobs: Sequence[Job],
    *,
    threads: int = 16,
    rounds: int = 5,
    patience: float = 600,
    seed: int = 0,
) -> Report:
    """Send all jobs in each round from `threads` threads, in a new random order. `jobs` contain their answers alone.

    If a round takes longer than `patience` seconds, its unfinished jobs count as hung, and all stacks are printed.
    """
    report, rng = Report(), random.Random(seed)
    before = threading.active_count()
    begin = time.monotonic()
    for number in range(rounds):
        order = [(job, rng.random() * 0.1) for job in rng.sample(list(jobs), len(jobs))]
        if not _round(backend, order, threads, patience, report):
            break
        gc.collect()
        time.sleep(2 * REST_SECONDS)  # at rest the engine gives memory back
        report.faults += _left_over(backend, before)
        report.resident.append(psutil.Process().memory_info().rss)
        report.kept.append(backend.engine().prefixes.bytes)
        resident, cached = report.resident[-1] / 2**20, report.kept[-1] / 2**20
        print(
            f"round {number + 1}: {len(report.faults)} errors, {resident:.0f} MiB ({cached:.0f} of them prefix cache)",
            flush=True,
        )
    report.seconds = time.monotonic() - begin
    return report


def _round(
    backend: LocalBackend, order: Sequence[tuple[Job, float]], threads: int, patience: float, report: Report
) -> bool:
    pool = ThreadPoolExecutor(threads, thread_name_prefix="soak")
    asked = {pool.submit(ask, backend, job, pause): job for job, pause in order}
    done, hung = wait_all(asked, timeout=patience)
    if hung:
        faulthandler.dump_traceback(all_threads=True)
    pool.shutdown(wait=not hung, cancel_futures=True)
    for future in done:
        kind, error = asked[future].kind, future.exception()
        fault = f"{type(error).__name__}: {error}" if error is not None else future.result()
        report.done[kind] += 1
        if fault:
            report.faults.append(f"{kind}: {fault}")
            print(f"error: {kind}: {fault}", flush=True)
    report.hung += len(hung)
    return not hung


def _left_over(backend: LocalBackend, threads: int) -> list[str]:
    """Slots and threads that are not free after all requests. The engine needs a moment for cancelled requests."""
    engine, end = backend.engine(), time.monotonic() + 30
    while (engine.busy or threading.active_count() > threads + 1) and time.monotonic() < end:
        time.sleep(0.01)
    faults = [f"{engine.busy} slots are still taken"] if engine.busy else []
    cache = getattr(engine.runner, "cache", None)
    if cache is not None and cache.keys:
        faults.append("the memory of the KV cache was not freed")
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--base", default="builtin:smollm2-135m")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="soak", help="name of the results file")
    args = parser.parse_args()
    from benchmarks.chat_model.base import folder_of, make_adapters
    from benchmarks.runs import save

    with tempfile.TemporaryDirectory() as work:
        adapters = make_adapters(folder_of(args.base), Path(work), rank=8, n=3)
        backend = local_backend(args.base, quantization="none")
        jobs = make_jobs(args.requests, adapters, args.seed, context=backend.engine().context)
        begin = time.monotonic()
        answer_alone(backend, jobs)
        alone = time.monotonic() - begin
        print(f"{len(jobs)} requests alone: {alone:.0f} s", flush=True)
        report = soak(backend, jobs, threads=args.threads, rounds=args.rounds, patience=1800, seed=args.seed)
        invariance = backend.engine().batch_invariance
        recomputed = invariance.n_recomputed if invariance else None
        backend.close()
    save(
        args.name,
        {
            "command": " ".join(["python -m benchmarks.engine.soak", *sys.argv[1:]]),
            "good": report.good,
            "requests_a_round": len(jobs),
            "rounds": args.rounds,
            "threads": args.threads,
            "asked": dict(report.done),
            "faults": report.faults,
            "hung": report.hung,
            "tokens_settled": recomputed,
            "seconds_alone": alone,
            "seconds": report.seconds,
            "resident_bytes_after_each_round": report.resident,
            "kept_beginnings_bytes": report.kept,
            "growth_after_the_second": report.growth if report.resident else None,
        },
    )
    print("\n".join(report.faults[:20]) or "no errors")
    sys.exit(0 if report.good else 1)


if __name__ == "__main__":
    main()
