"""Every adaptation method on the same number of training tokens, on an NF4 base.

python -m benchmarks.training.methods --data FOLDER [--task e2e] [--work runs/bench/methods] [--methods lora,ia3]
                             [--tokens N] [--questions N] [--rates NAME]

The tasks are Banking77's intents (labels) and E2E's sentences (generation). FOLDER holds
banking77/{train,test}_small.jsonl, e2e/{train,test}.jsonl and medquad_ghr/corpus.jsonl. That corpus belongs to neither
task. Forgetting is the number of bits per byte that an adapter adds on it.

Each method trains at its default learning rate and at three times that rate. If the default was better, it then trains
at a third of it, else at nine times. The loss on held-out training examples chooses the rate. The adapter of that rate
answers the test questions.

--rates methods_banking77 takes the rates chosen there and needs a third of the time, but not every
method's rate is good for another task (docs/methods.md).

Each pair of method and rate has its own folder. Run the command again to continue.
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

from benchmarks.runs import RESULTS, save
from domainkit.storage import write_text

STEP = 3.0
"""Factor between two rates."""
BASE = "builtin:smollm2-135m"
FILES = {
    "banking77": ("banking77/train_small.jsonl", "banking77/test_small.jsonl"),
    "e2e": ("e2e/train.jsonl", "e2e/test.jsonl"),
}
GENERAL = "medquad_ghr/corpus.jsonl"
DEV, PASSAGES = 80, 8
"""Held-out examples that choose the rate; passages of general prose."""
OPTIONS: dict[str, dict[str, Any]] = {"multitask_prompt_tuning": {"tasks": ["only"]}}
PLAIN = ("last_layers", "full")
"""Methods that train the base's own weights. NF4 weights cannot be trained, so their base is not quantised."""
UNQUANTISED = "base, unquantised"
"""The reference of those methods' forgetting."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--task", choices=FILES, default="banking77")
    parser.add_argument("--work", type=Path, default=Path("runs/bench/methods"))
    parser.add_argument("--methods", help="comma-separated; left out, all")
    parser.add_argument("--base", default=BASE)
    parser.add_argument("--tokens", type=int, default=60_000, help="tokens that each run trains on")
    parser.add_argument("--questions", type=int, help="test questions; left out, all")
    parser.add_argument("--rates", help="results whose rate of each method is taken, instead of trying three")
    parser.add_argument("--name", help="name of the results file; methods_TASK if left out")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(json.loads(args.one))
        return
    wanted = [*FILES[args.task], GENERAL]
    missing = [f for f in wanted if args.data is None or not (args.data / f).exists()]
    if missing:
        sys.exit(f"skipped: no {', '.join(missing)} under {args.data} (--data FOLDER)")
    from domainkit.adapters.methods import METHODS

    names = args.methods.split(",") if args.methods else list(METHODS)
    for name in names:
        METHODS.load(name)  # a typo ends here, with the near name, before hours of training
    rows = [measure(name, args) for name in names]
    settings = {k: getattr(args, k) for k in ("task", "base", "tokens", "questions", "rates")} | {
        "step": STEP,
        "dev": DEV,
        "passages": PASSAGES,
    }
    facts = {
        "command": " ".join(["python -m benchmarks.training.methods --data DATA", *options(args)]),
        "settings": settings,
    }
    bases = {"base_itself": job("base", 0.0, args)}
    if any(name in PLAIN for name in names):
        bases["base_unquantised"] = job(UNQUANTISED, 0.0, args)
    save(args.name or f"methods_{args.task}", {**facts, **bases, "methods": rows})


def options(args: argparse.Namespace) -> list[str]:
    """The options that differ from their defaults, for the command in the results."""
    return [
        f"--{k} {getattr(args, k)}"
        for k in ("task", "tokens", "questions", "rates", "methods", "name")
        if getattr(args, k)
    ]


def measure(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """One row of the table: the best rate's figures and every rate's loss, or the reason of the failure."""
    from domainkit.adapters.methods import METHODS

    default, source = METHODS.load(name).default_learning_rate(135_000_000)
    known = chosen_before(args.rates).get(name)
    if known is not None:
        tried = {known: job(name, known, args)}
    else:
        tried = {rate: job(name, rate, args) for rate in (default, default * STEP)}
        third = default / STEP if best_of(tried) == default else default * STEP**2
        tried[third] = job(name, third, args)
    best = best_of(tried)
    listed = [{"learning_rate": rate, **tried[rate]} for rate in sorted(tried)]
    if best is None:
        return {"method": name, "failed": listed[0]["failed"], "tried": listed}
    answers = job(name, best, args, answer=True)
    print(f"{name}: {answers['score']:.3f} on test at {best:.3g}", flush=True)
    return {
        "method": name,
        "quantization": "none" if name in PLAIN else "nf4",
        "default": default,
        "source": source,
        "learning_rate": best,
        "tried": listed,
        **tried[best],
        **answers,
    }


def chosen_before(results: str | None) -> dict[str, float]:
    """The rate of each method that was chosen in those results."""
    if results is None:
        return {}
    rows = json.loads((RESULTS / f"{results}.json").read_text(encoding="utf-8"))["methods"]
    return {row["method"]: row["learning_rate"] for row in rows if "learning_rate" in row}


def best_of(tried: dict[float, dict[str, Any]]) -> float | None:
    """The rate with the lowest loss on the held-out examples."""
    good = {rate: found["dev_loss"] for rate, found in tried.items() if "dev_loss" in found}
    return min(good, key=lambda rate: good[rate]) if good else None


def job(name: str, rate: float, args: argparse.Namespace, *, answer: bool = False) -> dict[str, Any]:
    """One training, or its answers to the test, in a separate process, which measures its peak memory. Done once."""
    folder = args.work / args.task / f"{name}-{rate:.6g}"
    asked = {
        "method": name,
        "rate": rate,
        "answer": answer,
        "folder": str(folder),
        "data": str(args.data),
        "task": args.task,
        "base": args.base,
        "tokens": args.tokens,
        "questions": args.questions,
    }
    result = folder / ("answers.json" if answer else "result.json")
    if result.exists():
        kept = json.loads(result.read_text(encoding="utf-8"))
        if kept["asked"] == asked:
            return kept["found"]
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "benchmarks.training.methods", "--one", json.dumps(asked)], check=True)
    found = json.loads(result.read_text(encoding="utf-8"))["found"]
    if not answer:
        print(f"{name} at {rate:.3g}: {found.get('dev_loss', found.get('failed'))}", flush=True)
    return found


def run_one(asked: dict[str, Any]) -> None:
    from domainkit.errors import DomainkitError

    folder = Path(asked["folder"])
    if asked["method"] == UNQUANTISED:
        found = losses(asked, None)
    elif asked["method"] == "base":
        found = {**losses(asked, None), **answers(asked, None)}
    elif asked["answer"]:
        found = answers(asked, folder / "adapter")
    else:
        try:
            found = trained(asked, folder)
        except DomainkitError as e:  # diverged, or the method does not work here: a result too
            found = {"failed": e.what}
    kept = folder / ("answers.json" if asked["answer"] else "result.json")
    write_text(kept, json.dumps({"asked": asked, "found": found}, indent=1) + "\n")


# ---- one process's work


def parts(asked: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """(training examples, held-out examples that choose the rate), from the training rows. No question is in both."""
    from domainkit import read_examples
    from domainkit.corpus.split import split

    everything = list(read_examples(Path(asked["data"]) / FILES[asked["task"]][0]))
    random.Random(0).shuffle(everything)
    fit, dev = split(everything, 0.2, seed=0)
    return fit, dev[:DEV]


def trained(asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The cost of training, and how well the adapter predicts. Seconds are those of the training loop only."""
    from domainkit import TrainConfig, train
    from domainkit.models.load import load_base
    from domainkit.training.examples_to_ids import tokenize_examples

    quantization = "none" if asked["method"] in PLAIN else "nf4"
    fit, _ = parts(asked)
    loaded = load_base(asked["base"], quantization=quantization)
    whole = sum(len(r.ids) for r in tokenize_examples(fit, loaded.chat_template, loaded.context_length))
    config = TrainConfig(
        base=asked["base"],
        quantization=quantization,
        method=asked["method"],
        method_options=OPTIONS.get(asked["method"], {}),
        epochs=round(asked["tokens"] / whole, 4),
        batch_size=8,
        learning_rate=asked["rate"],
        save_every=10_000,
    )
    adapter = train(fit, config, folder / "adapter", resume=True, loaded=loaded)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    card = adapter.card
    assert card is not None
    return {
        "tokens": card.tokens,
        "examples": round(config.epochs * len(fit)),
        "final_loss": card.final_loss,
        "trainable_parameters": card.trainable_parameters,
        "file_bytes": (adapter.folder / "adapter_model.safetensors").stat().st_size,
        "peak_memory_mib": round(peak),
        "train_seconds": card.seconds,
        **losses(asked, adapter.folder),
    }


def losses(asked: dict[str, Any], adapter: Path | None) -> dict[str, float]:
    """Nats per target token of the held-out examples, and bits per byte of general prose."""
    from domainkit.adapters.tuned_model import load_adapted
    from domainkit.corpus.read_files import read_documents
    from domainkit.models.load import load_base
    from domainkit.training.examples_to_ids import tokenize_examples
    from domainkit.training.heldout import bits_per_byte, measure_held_out

    _, dev = parts(asked)
    base = load_base(asked["base"], quantization="none" if asked["method"] in (*PLAIN, UNQUANTISED) else "nf4")
    model = load_adapted(base.model, adapter) if adapter else base.model
    pad = base.tokenizer.pad_token_id
    prose = list(read_documents(Path(asked["data"]) / GENERAL))
    prose = random.Random(0).sample(prose, PASSAGES)
    return {
        "dev_loss": measure_held_out(model, tokenize_examples(dev, base.chat_template, base.context_length), pad).nll,
        "general_bits_per_byte": bits_per_byte(model, prose, base.chat_template, 512),
    }


def answers(asked: dict[str, Any], adapter: Path | None) -> dict[str, Any]:
    """Accuracy of answers constrained to the labels, or token F1 against the nearest of a sentence's references."""
    from domainkit import DomainLLM, read_examples
    from domainkit.evaluation.metrics.token_f1 import overlap_f1, tokens

    train, test = (Path(asked["data"]) / f for f in FILES[asked["task"]])
    rows = [json.loads(line) for line in test.read_text(encoding="utf-8").splitlines()]
    random.Random(0).shuffle(rows)
    rows = rows[: asked["questions"]]
    place: dict[str, Any] = {"adapter": str(adapter)} if adapter else {"base": asked["base"], "quantization": "nf4"}
    llm: Any = DomainLLM(**place, max_tokens=64)
    began = time.perf_counter()
    if asked["task"] == "banking77":
        llm = llm.bind(choices=sorted({e.target for e in read_examples(train)}))
    texts = [a.text.strip() for a in llm.batch([r["input"] for r in rows])]
    seconds = time.perf_counter() - began
    if asked["task"] == "banking77":
        scores = [float(t == r["target"]) for t, r in zip(texts, rows, strict=True)]
    else:
        wanted = [r.get("references") or [r["target"]] for r in rows]
        scores = [max(overlap_f1(tokens(t), tokens(w)) for w in ws) for t, ws in zip(texts, wanted, strict=True)]
    return {
        "score": sum(scores) / len(scores),
        "scores": [round(s, 4) for s in scores],
        "questions": len(rows),
        "answer_seconds": round(seconds, 1),
        "first_answers": texts[:3],
    }


if __name__ == "__main__":
    main()
