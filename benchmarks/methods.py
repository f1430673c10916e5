"""Every adaptation method at the same token budget on banking77 (770 training rows, 308 test questions, 77 labels), NF4 base.

python -m benchmarks.methods --data FOLDER [--work runs/bench/methods] [--methods lora,ia3] [--epochs 3] [--rows N] [--questions N]

FOLDER holds banking77/train_small.jsonl and test_small.jsonl. Each method tries three learning rates, a third, once and three times
its default, on four fifths of train; the best on the other fifth is trained on all of train and answers the test questions, whose
answers are held to the list of labels. Every method × rate is a folder of its own: run the command again, and it continues.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.runs import save
from domainkit.storage import write_text

FACTORS = (1 / 3, 1.0, 3.0)
BASE = "builtin:smollm2-135m"
OPTIONS: dict[str, dict[str, Any]] = {}
PLAIN = ("last_layers", "full")
"""Methods that train the base's own weights, which NF4 does not hold: their base is unquantised, and the table says so."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs/bench/methods"))
    parser.add_argument("--methods", help="comma-separated; left out, all")
    parser.add_argument("--base", default=BASE)
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--rows", type=int, help="training rows; left out, all")
    parser.add_argument("--questions", type=int, help="test questions; left out, all")
    parser.add_argument("--name", default="methods", help="name of the results file")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(json.loads(args.one))
        return
    if args.data is None or not (args.data / "banking77" / "train_small.jsonl").exists():
        sys.exit(f"skipped: no banking77/train_small.jsonl under {args.data} (--data FOLDER)")
    from domainkit.training.methods import METHODS

    names = args.methods.split(",") if args.methods else list(METHODS)
    for name in names:
        METHODS[name]  # a typo ends here, with the near name, before hours of training
    rows = [measure(name, args) for name in names]
    settings = {k: getattr(args, k) for k in ("base", "epochs", "rows", "questions")} | {"factors": FACTORS}
    save(args.name, {"command": "python -m benchmarks.methods --data DATA", "settings": settings, "methods": rows})


def measure(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """The best of three rates on dev, then the test: one row of the table, or the reason why there is none."""
    from domainkit.training.methods import METHODS

    default, source = METHODS.load(name).default_learning_rate(135_000_000)
    tried = []
    for factor in FACTORS:
        found = job(name, default * factor, "dev", args)
        tried.append({"learning_rate": default * factor, **found})
        print(f"{name} at {default * factor:.3g}: {found.get('accuracy', found.get('failed'))} on dev", flush=True)
    good = [t for t in tried if "accuracy" in t]
    if not good:
        return {"method": name, "failed": tried[0]["failed"], "tried": tried}
    best = max(good, key=lambda t: (t["accuracy"], -t["final_loss"]))
    final = job(name, best["learning_rate"], "test", args)
    print(f"{name}: {final.get('accuracy', final.get('failed'))} on test", flush=True)
    quantization = "none" if name in PLAIN else "nf4"
    return {"method": name, "quantization": quantization, "default": default, "source": source, "tried": tried,
            "learning_rate": best["learning_rate"], **final}  # fmt: skip


def job(name: str, rate: float, part: str, args: argparse.Namespace) -> dict[str, Any]:
    """One training and its answers in a process of its own, so that its peak of memory is its own; done once."""
    folder = args.work / f"{name}-{rate:.6g}-{part}"
    asked = {
        "method": name, "rate": rate, "part": part, "folder": str(folder), "data": str(args.data / "banking77"), "base": args.base,
        "epochs": args.epochs, "rows": args.rows, "questions": args.questions,
    }  # fmt: skip
    result = folder / "result.json"
    if result.exists():
        kept = json.loads(result.read_text(encoding="utf-8"))
        if kept["asked"] == asked:
            return kept["found"]
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "benchmarks.methods", "--one", json.dumps(asked)], check=True)
    return json.loads(result.read_text(encoding="utf-8"))["found"]


def run_one(asked: dict[str, Any]) -> None:
    from domainkit.errors import DomainkitError

    folder = Path(asked["folder"])
    try:
        found = train_and_answer(asked, folder)
    except DomainkitError as e:  # diverged, or the method does not work here: a result too
        found = {"failed": e.what}
    write_text(folder / "result.json", json.dumps({"asked": asked, "found": found}, indent=1) + "\n")


def train_and_answer(asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Accuracy with answers held to the labels, and what it cost. Seconds are of the training loop alone."""
    from domainkit import DomainLLM, TrainConfig, read_examples, train
    from domainkit.corpus.split import split

    everything = list(read_examples(Path(asked["data"]) / "train_small.jsonl"))
    labels = sorted({e.target for e in everything})
    random.Random(0).shuffle(everything)
    everything = everything[: asked["rows"]]
    fit, dev = split(everything, 0.2, seed=0)
    if asked["part"] == "test":
        fit, dev = everything, read_examples(Path(asked["data"]) / "test_small.jsonl")
    questions = list(dev)[: asked["questions"]]
    name = asked["method"]
    config = TrainConfig(
        base=asked["base"], quantization="none" if name in PLAIN else "nf4", method=name, method_options=OPTIONS.get(name, {}),
        epochs=asked["epochs"], batch_size=8, learning_rate=asked["rate"], save_every=1000,
    )  # fmt: skip
    adapter = train(fit, config, folder / "adapter", resume=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    card = adapter.card
    assert card is not None
    llm = DomainLLM(adapter=str(adapter.folder), max_tokens=24).bind(choices=labels)
    began = time.perf_counter()
    answers = [a.text for a in llm.batch([q.question for q in questions])]
    return {
        "accuracy": sum(a.strip() == q.target for a, q in zip(answers, questions, strict=True)) / len(questions),
        "questions": len(questions),
        "final_loss": card.final_loss,
        "tokens": card.tokens,
        "trainable_parameters": card.trainable_parameters,
        "file_bytes": (adapter.folder / "adapter_model.safetensors").stat().st_size,
        "peak_memory_mib": round(peak),
        "train_seconds": card.seconds,
        "answer_seconds": round(time.perf_counter() - began, 1),
    }


if __name__ == "__main__":
    main()
