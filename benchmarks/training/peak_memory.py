"""Peak memory of the commands that a newcomer types: train, compare --fit and ask, as a machine's owner sees them.

python -m benchmarks.training.peak_memory [--rows 96]

Memory is the proportional share (PSS) of the command and all its children, read every tenth of a second: what their
processes share is counted once. Stages are those that the command's own progress tells.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.runs import plain, save

SAMPLE = Path(__file__).parents[2] / "examples" / "tallowmere"
EVERY = 0.1
"""Seconds between two looks."""
MIB = 2**20


def memory_of(process: psutil.Process) -> int:
    """Bytes of the process and its children."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return total


def watch(command: list[str], stage: Path) -> dict[str, float]:
    """Run the command, which writes its stage to a file; MiB at the peak of each stage, and the seconds it took."""
    print("$", " ".join(command), flush=True)
    start, peaks = time.perf_counter(), dict[str, float]()
    name = "import"
    stage.write_text(name)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "STAGE": str(stage)}) as child:
        process = psutil.Process(child.pid)
        while child.poll() is None:
            name = stage.read_text() or name  # it may be read while it is written
            try:
                peaks[name] = max(peaks.get(name, 0.0), memory_of(process) / MIB)
            except psutil.NoSuchProcess:
                break
            time.sleep(EVERY)
    if child.returncode not in (0, 1):  # 1: the comparison cannot tell
        raise SystemExit(f"the command ended with {child.returncode}")
    seconds = time.perf_counter() - start
    peak = max(peaks.values())
    print({**{k: round(v) for k, v in peaks.items()}, "peak": round(peak), "seconds": round(seconds)}, flush=True)
    return {**peaks, "peak": peak, "seconds": seconds}


def staged(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "benchmarks.training.staged", *map(str, words)]


def first_rows(source: Path, rows: int, out: Path) -> Path:
    lines = source.read_text(encoding="utf-8").splitlines()[:rows]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return out


def measure(rows: int, work: Path) -> None:
    train = first_rows(SAMPLE / "routing_train.jsonl", rows, work / "train.jsonl")
    test = first_rows(SAMPLE / "routing_test.jsonl", 60, work / "test.jsonl")
    run, adapter = work / "compare", work / "adapter"
    commands = {
        "train": staged("train", "--data", train, "--out", adapter, "epochs=1"),
        "compare --fit": staged(
            *("compare", "--train", train, "--task", test, "--fit", "fit.epochs=1"),
            *("--variants", "trivial,classical,few-shot,knn-few-shot,tuned", "--out", run),
        ),
        "ask": staged("ask", "--run", run, "--variant", "tuned", "where is my hive?"),
    }
    figures = [
        {"command": _as_typed(command, work), "name": name, "mib": watch(command, work / "stage")}
        for name, command in commands.items()
    ]
    save("peak_memory", {"rows": rows, "commands": figures})


def _as_typed(command: list[str], work: Path) -> str:
    return plain(["domainkit", *command[3:]], WORK=work, SAMPLE=SAMPLE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=96)
    args = parser.parse_args()
    with TemporaryDirectory() as work:  # peaks are those of a whole run
        measure(args.rows, Path(work))


if __name__ == "__main__":
    main()
