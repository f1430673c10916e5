"""The main job, end to end: train an adapter, compare it with the other variants, decide, and use the winner.

python examples/demo.py [--out runs/demo] [--full]        (or: make demo, make demo-full)
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable

from domainkit import (
    Portfolio,
    Results,
    Sample,
    TrainConfig,
    compare,
    load_winner,
    print_table,
    read_examples,
    read_task,
    write_report,
)
from domainkit.visible import visible

DOMAIN = Path(__file__).parent / "tallowmere"
"""The sample domain: training and test rows of two tasks, and 57 articles."""

BASE: dict[str, Any] = {
    "base": "builtin:smollm2-135m",
    "quantization": "nf4",
    "batch_size": 8,
    "learning_rate": 1e-3,
}
QUICK: dict[str, Any] = {
    "fit": TrainConfig(**BASE, epochs=1),
    "variants": ["few-shot", "rag", "tuned-context"],
    "corpus": DOMAIN / "articles",
    "passages": 1,
    "passage_words": 80,
    "latency_items": 0,
}
"""Answers from the articles, learnt from every second row and asked on every third: what two cores do well in three
minutes."""
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
"""Both tasks on all rows, in a quarter of an hour. One epoch is too little for 24 queues: the report shows it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--full", action="store_true", help="both tasks, all rows; a quarter of an hour")
    args = parser.parse_args()
    started = time.perf_counter()
    out: Path = args.out or Path("runs/demo-full" if args.full else "runs/demo")
    page = full(out) if args.full else quick(out)
    print(f"\nTook {(time.perf_counter() - started) / 60:.1f} minutes. Open {page} in a browser.")
    if not args.full:
        print("Next, both tasks of the desk with all rows:  make demo-full")
        print("Or your own files:  .venv/bin/domainkit check YOUR_FILE.csv")


def quick(out: Path) -> Path:
    """One task, one story. Returns the report's page."""
    task = read_task(DOMAIN / "answers_test.jsonl", kind="answer")
    asked = task.model_copy(update={"samples": task.samples[::3]})
    rows = read_examples(DOMAIN / "answers_train.jsonl")[::2]
    print("Tallowmere rents beehives to town households. Its support desk answers questions from 57 articles,")
    print("with a model of 135 million parameters on this machine. Prompt, retrieve or fine-tune?\n")
    print(f"1. Train a 4-bit LoRA adapter on {len(rows)} solved questions, each with a passage of the articles.")
    print(f"2. Ask {len(asked.samples)} other questions, with each variant.\n")
    results = run(asked, rows, out, QUICK)
    print("\n3. The verdict:")
    print_table(results)
    print("\n4. The winner as a LangChain model, on questions that were not in the test:\n")
    print(f'   winner = load_winner("{out}")')
    talk(load_winner(out), task.samples[1:11:3])
    return out / "report.html"


def talk(winner: Runnable[Any, AIMessage], samples: Sequence[Sample]) -> None:
    """Questions with a known answer; then the reader's own, where there is a terminal."""
    for sample in samples:
        print(f"\n   {sample.input}\n   → {shown(winner, sample.input)}   (right: {sample.target})")
    if not sys.stdin.isatty():
        return
    print("\n5. Your own question about renting a beehive; an empty line ends.\n")
    while question := input("   > ").strip():
        print(f"   → {shown(winner, question)}")


def shown(winner: Runnable[Any, AIMessage], question: str) -> str:
    """The answer and the titles of the articles that it was given."""
    answer = winner.invoke(question)
    titles = ", ".join(p["title"] for p in answer.response_metadata.get("passages", ()))
    return visible(answer.text) + (f"   (article: {visible(titles)})" if titles else "")


def full(out: Path) -> Path:
    """Two tasks, two verdicts, one page."""
    results = [
        run(DOMAIN / f"{task}_test.jsonl", DOMAIN / f"{task}_train.jsonl", out / task, settings)
        for task, settings in TASKS.items()
    ]
    Portfolio(title="Tallowmere support desk", comparisons=tuple(results)).save(out / "results.json")
    page, _ = write_report(out)
    for result in results:
        print()
        print_table(result)
    return page


def run(task: Any, train: Any, out: Path, settings: dict[str, Any]) -> Results:
    """Train the adapters that the task's variants need, then answer the test rows with every variant.

    Adapters and answers that are already in `out` are used again.
    """
    return compare(task, out=out, train=train, shots=4, **{"latency_items": 3, **settings})


if __name__ == "__main__":
    main()
