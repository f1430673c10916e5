"""Fields of an object: the sample set e2e turned round, its sentences in and the facts they were written from out.

python -m benchmarks.decision.fields --data FOLDER [--work runs/bench/fields]

FOLDER holds e2e/train.jsonl and e2e/test.jsonl. As they lie, they hardly share a value (193 of the 200 test rows have
one that train lacks), so both are put together and divided again: all sentences of one set of facts on one side, and in
test one sentence of each. Every variant answers in one run; an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from pathlib import Path

from benchmarks.runs import domainkit, plain, save, timed, variants_of, verdict_of
from domainkit.messages import JsonObject

_FACT = re.compile(r"([^,\[\]]+)\[([^\]]*)\]")
TEST_ROWS = 200
VARIANTS = "classical,few-shot,knn-few-shot,tuned"
SETTINGS = ("fit.epochs=1", "fit.batch_size=16", "shots=4", "latency_items=1")
NAMES = {"customer rating": "customerRating"}


def facts_of(text: str) -> dict[str, str]:
    """name[The Eagle], food[French] to {"name": "The Eagle", "food": "French"}."""
    found = {name.strip(): value.strip() for name, value in _FACT.findall(text)}
    return {NAMES.get(name, name): value for name, value in found.items()}


def write_rows(data: Path, out: Path, seed: int = 0) -> None:
    """Write OUT/test.jsonl and OUT/train.jsonl."""
    lines = [line for part in ("train", "test") for line in (data / f"{part}.jsonl").read_text("utf-8").splitlines()]
    sentences: dict[str, list[JsonObject]] = {}
    for row in map(json.loads, lines):
        made = {"id": row["id"], "input": row["target"], "target": facts_of(row["input"])}
        sentences.setdefault(row["input"], []).append(made)
    facts = sorted(sentences)
    random.Random(seed).shuffle(facts)
    test = [sentences[name][0] for name in facts[:TEST_ROWS]]
    train = [row for name in facts[TEST_ROWS:] for row in sentences[name]]
    out.mkdir(parents=True, exist_ok=True)
    for part, rows in (("test", test), ("train", train)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (out / f"{part}.jsonl").write_text(text, encoding="utf-8")


def measure(data: Path, work: Path) -> None:
    write_rows(data, work / "rows")
    run = work / "e2e"
    rows = ("--train", work / "rows" / "train.jsonl", "--task", work / "rows" / "test.jsonl")
    command = domainkit("compare", *rows, "--variants", VARIANTS, "--fit", *SETTINGS, "--out", run)
    timed(command)
    facts = {"command": plain(command, WORK=work), "variants": variants_of(run), "verdict": verdict_of(run)}
    save("fields_e2e", facts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/bench/fields"))
    args = parser.parse_args()
    if not (args.data / "e2e" / "test.jsonl").exists():
        sys.exit(f"skipped: no e2e/test.jsonl under {args.data}")
    measure(args.data / "e2e", args.work)


if __name__ == "__main__":
    main()
