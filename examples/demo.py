"""The main job, end to end: train an adapter for each of two tasks of the sample domain, compare the variants, decide.

python examples/demo.py [--out runs/demo]        (or: make demo)
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from domainkit import Results, TrainConfig, compare
from domainkit.cli.progress import comparing
from domainkit.report import write_report
from domainkit.report.terminal import print_table
from domainkit.results.schema import Portfolio

DOMAIN = Path(__file__).parent / "tallowmere"
# Chosen for a quarter of an hour on two cores, not for the best score: more epochs, examples and passages cost time.
BASE = {"base": "builtin:smollm2-135m", "quantization": "nf4", "batch_size": 8, "learning_rate": 1e-3}
TASKS: dict[str, dict[str, Any]] = {
    "routing": {
        "fit": TrainConfig(**BASE, epochs=1),
        "variants": ["classical", "zero-shot", "few-shot", "tuned"],
    },
    "answers": {
        "fit": TrainConfig(**BASE, epochs=1.25),
        "variants": ["classical", "few-shot", "rag", "tuned-context"],
        "corpus": DOMAIN / "articles", "passages": 2, "passage_words": 40,
    },
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"))
    out: Path = parser.parse_args().out
    console, started = Console(), time.perf_counter()
    console.print(
        "[bold]Tallowmere[/bold] rents beehives to town households. Its support desk has two jobs for a model:"
    )
    console.print(
        "route a message to one of 24 queues, and answer a question from 57 articles. Prompt, retrieve or fine-tune?\n"
    )

    results = [run(task, out / task, console) for task in TASKS]

    Portfolio(title="Tallowmere support desk", comparisons=tuple(results)).save(out / "results.json")
    page, _ = write_report(out)
    for result in results:
        console.print()
        print_table(result, console)
    console.print(f"\nTook {(time.perf_counter() - started) / 60:.1f} minutes.")
    console.print(f"Open {page} in a browser. Next, talk to the routing model:")
    [adapter] = (out / "routing" / "adapters").glob("tuned-*")
    console.print(
        f'  .venv/bin/domainkit ask --adapter {adapter} "my jars came broken"', markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip


def run(task: str, out: Path, console: Console) -> Results:
    """One task: the adapter its variants need, trained on the training rows, then every variant on the test rows. What is there
    already is kept."""
    console.rule(f"{task}: train a 4-bit LoRA adapter, then compare the variants")
    with comparing() as on_progress:
        return compare(
            DOMAIN / f"{task}_test.jsonl", out=out, train=DOMAIN / f"{task}_train.jsonl",
            shots=4, latency_items=3, on_progress=on_progress, **TASKS[task],
        )  # fmt: skip


if __name__ == "__main__":
    main()
