"""The ladder over every kind of task: simple rivals, prompts and adapters on the same questions, one comparison a kind.

python -m benchmarks.decision.every_kind --data FOLDER [--work runs/bench/kinds] [--only calls,fields]

The sample domain has all kinds but two: FOLDER holds e2e (fields) and ojousama (long text), which are left out where
they are not there. An interrupted run goes on: answers and adapters in the work folder are kept.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.decision.e2e_fields import write_rows
from benchmarks.runs import RESULTS, domainkit, plain, save, timed, variants_of, verdict_of

SAMPLE = Path(__file__).parents[2] / "examples" / "tallowmere"
PROMPTS, TUNED = "trivial,classical,zero-shot,few-shot,knn-few-shot", "tuned,tuned-knn"
SHORT_PASSES = "fit.max_tokens_per_pass=1024"
"""The same numbers in less memory."""


@dataclass(frozen=True)
class Job:
    """One comparison."""

    rows: str
    """What the rows are, for the table."""
    train: Path
    test: Path
    variants: str
    settings: tuple[str, ...]


def jobs(data: Path | None, work: Path) -> dict[str, Job]:
    """By kind of task. Those whose data are not there are named and left out."""
    found = {
        "label": _sample("routing", f"{PROMPTS},tuned", "fit.epochs=2", "shots=8"),
        "answer": _sample(
            "answers", "trivial,classical,few-shot,rag,tuned,tuned-context", "fit.epochs=2", "shots=4", corpus=True
        ),
        "labels": _sample("topics", f"{PROMPTS},{TUNED}", "fit.epochs=6", "fit.batch_size=8", "shots=6"),
        "calls": _sample(
            "calls", f"{PROMPTS},{TUNED}", "fit.epochs=2", "fit.batch_size=4", SHORT_PASSES, "shots=4", "batch_size=16"
        ),
        "dialogue": _sample(
            "dialogues",
            f"{PROMPTS},rag,oracle-rag,tuned,tuned-rag",
            "fit.turns=all",
            "fit.epochs=8",
            "fit.batch_size=8",
            "max_tokens=24",
            corpus=True,
        ),
    }
    if data is not None and (data / "e2e" / "test.jsonl").exists():
        rows = work / "rows"
        write_rows(data / "e2e", rows)
        settings = ("fit.epochs=1", "fit.batch_size=16", SHORT_PASSES, "shots=4")
        variants = "trivial,classical,few-shot,knn-few-shot,tuned"
        found["fields"] = Job("e2e turned round", rows / "train.jsonl", rows / "test.jsonl", variants, settings)
    else:
        print("fields: skipped, there is no e2e/test.jsonl in --data")
    if data is not None and (data / "ojousama" / "test.jsonl").exists():
        style = data / "ojousama"
        settings = ("fit.epochs=3", SHORT_PASSES, "kind=text", "shots=4")
        found["text"] = Job(
            "a Japanese style", style / "train.jsonl", style / "test.jsonl", f"{PROMPTS},{TUNED}", settings
        )
    else:
        print("text: skipped, there is no ojousama/test.jsonl in --data")
    return found


def _sample(name: str, variants: str, *settings: str, corpus: bool = False) -> Job:
    more = ("--corpus", str(SAMPLE / "articles")) if corpus else ()
    rows = f"sample domain, {name}"
    return Job(rows, SAMPLE / f"{name}_train.jsonl", SAMPLE / f"{name}_test.jsonl", variants, (*settings, *more))


def measure(kind: str, job: Job, work: Path) -> dict[str, object]:
    run = work / kind
    rows = ("--train", job.train, "--task", job.test)
    command = domainkit(
        "compare", *rows, "--variants", job.variants, "--fit", *job.settings, "latency_items=3", "--out", run
    )
    timed(command)
    task = json.loads((run / "results.json").read_text(encoding="utf-8"))["task"]
    return {
        "kind": kind,
        "rows": job.rows,
        "command": plain(command, WORK=work, SAMPLE=SAMPLE, TRAIN=job.train.parent),
        "questions": task["n"],
        "train_rows": task["train_rows"],
        "metric": task["primary_metric"],
        "variants": variants_of(run),
        "verdict": verdict_of(run),
    }


def measure_all(data: Path | None, work: Path, only: Sequence[str]) -> None:
    """What is not named in `only` keeps its figures of an earlier run."""
    file = RESULTS / "every_kind.json"
    kept = {k["kind"]: k for k in json.loads(file.read_text(encoding="utf-8"))["kinds"]} if file.exists() else {}
    for kind, job in jobs(data, work).items():
        if not only or kind in only:
            kept[kind] = measure(kind, job, work)
            save("every_kind", {"kinds": list(kept.values())})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs/bench/kinds"))
    parser.add_argument("--only", default="", help="kinds, divided by commas")
    args = parser.parse_args()
    measure_all(args.data, args.work, [kind for kind in args.only.split(",") if kind])


if __name__ == "__main__":
    main()
