"""The main job, end to end: for each of two tasks train an adapter, compare it with the other variants, and decide.

python examples/demo.py [--out runs/demo]        (or: make demo)
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from domainkit import Portfolio, Results, TrainConfig, compare, print_table, write_report

DOMAIN = Path(__file__).parent / "tallowmere"
"""The sample domain: training and test rows of two tasks, and 57 articles."""

# Chosen for a quarter of an hour on two cores, not for the best score: more epochs, examples and passages take longer.
BASE: dict[str, Any] = {
    "base": "builtin:smollm2-135m",
    "quantization": "nf4",
    "batch_size": 8,
    "learning_rate": 1e-3,
}
TASKS: dict[str, dict[str, Any]] = {
    "routing": {
        "fit": TrainConfig(**BASE, epochs=1),
        "variants": ["classical", "zero-shot", "few-shot", "tuned"],
    },
    "answers": {
        "fit": TrainConfig(**BASE, epochs=1.25),
        "variants": ["classical", "few-shot", "rag", "tuned-context"],
        "corpus": DOMAIN / "articles",
        "passages": 2,
        "passage_words": 40,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"))
    out: Path = parser.parse_args().out
    started = time.perf_counter()
    print("Tallowmere rents beehives to town households. Its support desk has two jobs for a model:")
    print("route a message to one of 24 queues, and answer a question from 57 articles.")
    print("Prompt, retrieve or fine-tune?")

    results = [run(task, out / task) for task in TASKS]

    Portfolio(title="Tallowmere support desk", comparisons=tuple(results)).save(out / "results.json")
    page, _ = write_report(out)
    for result in results:
        print()
        print_table(result)
    print(f"\nTook {(time.perf_counter() - started) / 60:.1f} minutes.")
    print(f"Open {page} in a browser. Next, talk to the routing model:")
    [adapter] = (out / "routing" / "adapters").glob("tuned-*")
    print(f'  .venv/bin/domainkit ask --adapter {adapter} "my jars came broken"')


def run(task: str, out: Path) -> Results:
    """Train the adapter that the task's variants need, then answer the test rows with every variant.

    Adapters and answers that are already in `out` are used again.
    """
    print(f"\n{task}: train a 4-bit LoRA adapter, then compare the variants")
    return compare(
        DOMAIN / f"{task}_test.jsonl",
        out=out,
        train=DOMAIN / f"{task}_train.jsonl",
        shots=4,
        latency_items=3,
        on_progress=print_progress,
        **TASKS[task],
    )


def print_progress(variant: str, done: int, total: int) -> None:
    print(f"\r  {variant}: {done}/{total}", end="\n" if done == total else "", flush=True)


if __name__ == "__main__":
    main()
