"""The variants without a language model on real data: what every tuned model must beat.

python -m benchmarks.decision.simple_models --data FOLDER [--work runs/bench/simple_models]

The same questions as in `banking77` and `medquad`; no model is trained but the ones that take seconds.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.runs import save
from domainkit import compare
from domainkit.evaluation.task import read_task

TASKS = {
    "banking77": ("train_small.jsonl", "test_small.jsonl", "label"),
    "medquad_ghr": ("train.jsonl", "test.jsonl", "answer"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/bench/simple_models"))
    args = parser.parse_args()
    missing = [name for name in TASKS if not (args.data / name).is_dir()]
    if missing:
        sys.exit(f"skipped: no {' and no '.join(missing)} under {args.data}")
    save(
        "simple_models", {"tasks": {name: measure(args.data / name, args.work / name, *TASKS[name]) for name in TASKS}}
    )


def measure(data: Path, out: Path, train: str, test: str, kind: Any) -> list[dict[str, Any]]:
    started = time.perf_counter()
    task = read_task(data / test, train=data / train, kind=kind)
    results = compare(task, ["classical"], out, train=data / train)
    print(f"{data.name}: {time.perf_counter() - started:.0f} s")
    return [
        {
            "name": v.name,
            "description": v.description,
            "questions": len(task.samples),
            "metric": results.task.primary_metric,
            "metrics": {name: estimate.model_dump() for name, estimate in v.metrics.items()},
        }
        for v in results.variants
    ]


if __name__ == "__main__":
    main()
