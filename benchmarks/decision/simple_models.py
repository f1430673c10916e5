"""The variants without a language model on real data: what every tuned model must beat.

python -m benchmarks.decision.simple_models --data FOLDER [--work runs/bench/simple_models]

The same questions as in `banking77` and `medquad`, and a larger part of Banking77; no language model is asked.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.runs import save
from domainkit import compare
from domainkit.evaluation.read_task import read_task

TASKS = {
    "banking77": ("banking77/train_small.jsonl", "banking77/test_small.jsonl", "label"),
    "banking77, 2,500 rows": ("banking77/train.jsonl", "banking77/test.jsonl", "label"),
    "medquad_ghr": ("medquad_ghr/train.jsonl", "medquad_ghr/test.jsonl", "answer"),
}
MOST_ROWS, MOST_QUESTIONS = 2_500, 1_000
"""Of the larger files: a sample, drawn with seed 0."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/bench/simple_models"))
    args = parser.parse_args()
    missing = sorted({t for t, _, _ in TASKS.values() if not (args.data / t).is_file()})
    if missing:
        sys.exit(f"skipped: no {' and no '.join(missing)} under {args.data}")
    found = {name: measure(name, args.data, args.work / name, *files) for name, files in TASKS.items()}
    save("simple_models", {"tasks": found})


def measure(name: str, data: Path, work: Path, train: str, test: str, kind: Any) -> list[dict[str, Any]]:
    started = time.perf_counter()
    rows = sample(data / train, work / "train.jsonl", MOST_ROWS)
    task = read_task(sample(data / test, work / "test.jsonl", MOST_QUESTIONS), train=rows, kind=kind)
    variants = ["classical", "tuned-encoder"] if kind == "label" else ["classical"]
    results = compare(task, variants, work / "run", train=rows, on_progress=lambda *_: None)
    print(f"{name}: {time.perf_counter() - started:.0f} s. {results.verdict.headline}", flush=True)
    return [
        {
            "name": v.name,
            "description": v.description,
            "questions": len(task.samples),
            "metric": results.task.primary_metric,
            "metrics": {name: estimate.model_dump() for name, estimate in v.metrics.items()},
            "latency": v.latency.model_dump(),
            "training": v.training.model_dump() if v.training else None,
            "verdict": results.verdict.headline,
        }
        for v in results.variants
    ]


def sample(source: Path, target: Path, most: int) -> Path:
    """At most `most` lines of a file, in their order; drawn with seed 0."""
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = sorted(random.Random(0).sample(range(len(lines)), min(most, len(lines))))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join(lines[i] for i in kept), encoding="utf-8")
    return target


if __name__ == "__main__":
    main()
