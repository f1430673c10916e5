"""Banking77: domainkit's two commands against a plain script of the stock libraries.

python -m benchmarks.decision.banking77 --data FOLDER [--work runs/bench/banking77]

FOLDER holds banking77/train_small.jsonl (770 rows, 77 labels) and test_small.jsonl (308 questions).
Both sides train and answer in one run, one after the other.
`--choose` compares settings on a part of the training rows. The settings below were chosen so.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.runs import domainkit, plain, save, timed, variants_of, verdict_of

SETTINGS = ("epochs=3", "batch_size=8", "learning_rate=1e-3")
VARIANTS = "classical,tuned-encoder,zero-shot,few-shot,knn-few-shot,tuned,tuned-knn"
CANDIDATES = (("epochs=3", "batch_size=8", "learning_rate=5e-4"), ("epochs=3", "batch_size=8", "learning_rate=1e-3"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/bench/banking77"))
    parser.add_argument(
        "--stock-epochs",
        type=float,
        default=4,
        help="epochs of the plain script, whose accuracy is that of 4; 0 leaves it out: it takes most of an hour",
    )
    parser.add_argument("--choose", action="store_true", help="try the candidate settings on a part of train, and stop")
    args = parser.parse_args()
    data = args.data / "banking77"
    if not (data / "train_small.jsonl").exists():
        sys.exit(f"skipped: no banking77/train_small.jsonl under {args.data}")
    args.work.mkdir(parents=True, exist_ok=True)
    if args.choose:
        choose(data, args.work)
    else:
        measure(data, args.work, args.stock_epochs)


def measure(data: Path, work: Path, stock_epochs: float) -> None:
    train, test = data / "train_small.jsonl", data / "test_small.jsonl"
    adapter, run = work / "adapter", work / "compare"
    commands = {
        "train": domainkit(
            "train",
            "--data",
            train,
            "--base",
            "builtin:smollm2-135m",
            "--method",
            "lora",
            "--out",
            adapter,
            "--resume",
            "quantization=nf4",
            *SETTINGS,
        ),
        "compare": domainkit(
            "compare", "--train", train, "--task", test, "--adapter", adapter, "--variants", VARIANTS, "--out", run
        ),
        "free": domainkit(
            "compare",
            "--train",
            train,
            "--task",
            test,
            "--adapter",
            adapter,
            "--variants",
            "tuned",
            "--out",
            work / "free",
            "decoding=free",
        ),
    }
    for command in commands.values():
        timed(command)
    stock = stock_script(train, test, work, stock_epochs) if stock_epochs else None
    card = json.loads((adapter / "card.json").read_text(encoding="utf-8"))
    shown = {name: plain(c, DATA=data.parent, WORK=work) for name, c in commands.items()}
    save(
        "banking77",
        {
            "commands": shown,
            "stock_script": stock,
            "variants": variants_of(run),
            "verdict": verdict_of(run),
            "free_decoding": variants_of(work / "free"),
            "settings_chosen": chosen(work),
            "training": {k: card[k] for k in ("tokens", "seconds", "final_loss", "trainable_parameters", "config")},
            "training_examples_per_second": pace(train, test, work),
        },
    )


def stock_script(train: Path, test: Path, work: Path, epochs: float) -> dict[str, Any]:
    """The reference: stock libraries, from the same base weights."""
    out = work / "stock.json"
    if (
        not out.exists() or json.loads(out.read_text(encoding="utf-8"))["epochs"] != epochs
    ):  # most of an hour: never twice
        run_stock(train, test, out, epochs)
    facts = json.loads(out.read_text(encoding="utf-8"))
    return {**facts, "command": "python benchmarks/decision/stock_lora.py --base BASE --train TRAIN --test TEST"}


def run_stock(train: Path, test: Path, out: Path, epochs: float) -> None:
    from domainkit.models.load import load_base

    base = load_base("builtin:smollm2-135m", quantization="none").folder  # the packaged model, unpacked
    words = {"--base": base, "--train": train, "--test": test, "--out": out, "--epochs": epochs}
    timed(
        [
            sys.executable,
            str(Path(__file__).with_name("stock_lora.py")),
            *(str(w) for pair in words.items() for w in pair),
        ]
    )


def pace(train: Path, test: Path, work: Path, rounds: int = 3) -> dict[str, float]:
    """Training examples per second of both sides: the median of `rounds` runs of 1/8 epoch, batches of 16."""
    few = work / "few.jsonl"
    few.write_text("".join(test.read_text(encoding="utf-8").splitlines(keepends=True)[:2]), encoding="utf-8")
    found: dict[str, list[float]] = {"domainkit": [], "stock_script": []}
    for k in range(rounds):
        ours, theirs = work / f"pace-{k}", work / f"pace-{k}.json"
        timed(domainkit("train", "--data", train, "--out", ours, "quantization=nf4", "batch_size=16", "epochs=0.125"))
        run_stock(train, few, theirs, 0.125)
        card, facts = (json.loads(p.read_text(encoding="utf-8")) for p in (ours / "card.json", theirs))
        found["domainkit"].append(16 * card["losses"][-1][0] / card["seconds"])
        found["stock_script"].append(16 * facts["steps"] / facts["train_seconds"])
    return {side: median(rates) for side, rates in found.items()}


def choose(data: Path, work: Path) -> None:
    """Each candidate on four fifths of train, scored on the rest."""
    from domainkit import read_examples
    from domainkit.corpus.split import split

    fit, dev = split(read_examples(data / "train_small.jsonl"), 0.2, seed=0)
    paths = {"fit": work / "fit.jsonl", "dev": work / "dev.jsonl"}
    for part, examples in (("fit", fit), ("dev", dev)):
        lines = [
            json.dumps({"id": e.id, "input": e.question, "target": e.target}, ensure_ascii=False) for e in examples
        ]
        paths[part].write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = []
    for candidate in CANDIDATES:
        name = "-".join(c.replace("=", "") for c in candidate)
        adapter, run = work / f"choose-{name}", work / f"choose-{name}-run"
        timed(domainkit("train", "--data", paths["fit"], "--out", adapter, "quantization=nf4", *candidate))
        timed(
            domainkit(
                "compare",
                "--train",
                paths["fit"],
                "--task",
                paths["dev"],
                "--adapter",
                adapter,
                "--variants",
                "tuned",
                "--out",
                run,
                "latency_items=0",
            )
        )
        [tuned] = variants_of(run)
        table.append({"settings": list(candidate), "dev_accuracy": tuned["metrics"]["label_accuracy"]["value"]})
        print(table[-1], flush=True)
    (work / "chosen.json").write_text(json.dumps({"rows": len(dev), "table": table}, indent=1), encoding="utf-8")


def chosen(work: Path) -> Any:
    path = work / "chosen.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


if __name__ == "__main__":
    main()
