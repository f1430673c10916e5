"""Training beside TRL's SFTTrainer: examples a second in float32 and NF4, and the accuracy of both adapters.

python -m benchmarks.decision.beside_trl --data FOLDER [--labels 15] [--epochs 2] [--work FOLDER]

FOLDER holds banking77/train_small.jsonl, train.jsonl and test.jsonl. Pace: one epoch in batches of 16 rows, one
side after the other, without the time to load the model. Accuracy: `--epochs` in float32 with the same rows, LoRA, rate
and schedule; answers free, and held to the labels. An interrupted run continues. About
twenty minutes of one quiet core.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.decision.trl_sft import BATCH, RATE
from benchmarks.distillation.banking77 import ROOM, Bench
from benchmarks.runs import domainkit, save, timed, variants_of
from chains import answer_chain
from domainkit import Variant, compare, read_examples
from domainkit.evaluation.read_task import read_task
from domainkit.llm.chat_model import DomainLLM
from domainkit.models.load import load_base
from domainkit.storage import sha256_file

OURS, TRL = "domainkit", "SFTTrainer"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/bench/training_beside_trl"))
    parser.add_argument("--base", default="builtin:smollm2-135m")
    parser.add_argument("--labels", type=int, default=15)
    parser.add_argument("--per-label", type=int, default=8, help="test questions of a label")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--dry", action="store_true", help="write no results")
    args = parser.parse_args()
    data = args.data / "banking77"
    if not (data / "train_small.jsonl").exists():
        sys.exit(f"skipped: no banking77/train_small.jsonl under {args.data}")
    if find_spec("trl") is None:
        sys.exit("skipped: pip install --no-deps -r requirements-bench.txt")
    args.seeds = 1
    bench = Bench(data, args.work, args)
    bench.write_rows()
    sides = Sides(bench, args)
    pace = {form: sides.pace(form) for form in ("none", "nf4")}
    trained = {side: sides.train(side, "none", args.epochs, "whole") for side in (OURS, TRL)}
    found = sides.compared()
    print(json.dumps({"pace": pace, "trained": trained}, indent=1))
    for v in found:
        print(f"{v['name']:24} {100 * v['metrics']['label_accuracy']['value']:.1f} %")
    if not args.dry:
        import trl

        facts = {"labels": args.labels, "rows": len(read_examples(bench.train)), "batch_size": BATCH}
        facts |= {"learning_rate": RATE, "epochs": args.epochs, "trl": trl.__version__}
        save("training_beside_trl", {**facts, "examples_per_second": pace, "trained": trained, "variants": found})


class Sides:
    """Both sides; what is there is not made again."""

    def __init__(self, bench: Bench, args: argparse.Namespace) -> None:
        self.bench, self.args, self.work = bench, args, args.work
        self.rows = len(read_examples(bench.train))

    def pace(self, form: str) -> dict[str, float]:
        """Examples a second by side."""
        found = {side: self.train(side, form, 1, "pace") for side in (OURS, TRL)}
        return {side: facts["examples"] / facts["seconds"] for side, facts in found.items()}

    def train(self, side: str, form: str, epochs: int, purpose: str) -> dict[str, Any]:
        """Seconds, steps and examples of one training; its adapter lies beside them."""
        out = self.work / f"{side}-{form}-{purpose}"
        facts = out.with_suffix(".json")
        if not facts.exists():
            (self._ours if side == OURS else self._trl)(out, form, epochs)
        read: dict[str, Any] = json.loads(facts.read_text(encoding="utf-8"))
        return {**read, "examples": epochs * self.rows}

    def _ours(self, out: Path, form: str, epochs: int) -> None:
        words = [f"quantization={form}", f"batch_size={BATCH}", f"learning_rate={RATE}"]
        timed(
            domainkit(
                "train", "--data", self.bench.train, "--base", self.args.base, "--out", out, f"epochs={epochs}", *words
            )
        )
        card = json.loads((out / "card.json").read_text(encoding="utf-8"))
        facts = {"seconds": card["seconds"], "steps": card["losses"][-1][0]}
        out.with_suffix(".json").write_text(json.dumps(facts), encoding="utf-8")

    def _trl(self, out: Path, form: str, epochs: int) -> None:
        base = str(load_base(self.args.base, quantization="none").folder)
        script = str(Path(__file__).with_name("trl_sft.py"))
        words = ["--base", base, "--train", str(self.bench.train), "--out", str(out), "--epochs", str(epochs)]
        timed([sys.executable, script, *words, *(["--nf4"] if form == "nf4" else [])])

    def compared(self) -> list[dict[str, Any]]:
        """Both adapters and the untrained base on the bare questions."""
        labels = sorted({e.target for e in read_examples(self.bench.train)})
        llm = DomainLLM(base=self.args.base, quantization="none", temperature=0.0, max_tokens=ROOM)
        variants = []
        for side in (OURS, TRL):
            folder = self.work / f"{side}-none-whole"
            tuned, identity = (
                llm.model_copy(update={"adapter": str(folder)}),
                sha256_file(folder / "adapter_model.safetensors"),
            )
            for name, chain in ((side, tuned.bind(choices=labels)), (f"{side}, free", tuned)):
                chained, key = answer_chain(chain), f"{name} {identity}"
                variants.append(Variant(name=name, description=f"{name}.", runnable=chained, identity=key))
        task = read_task(self.bench.test, kind="label", labels=labels)
        out = self.work / "compare"
        compare(task, variants, out, baseline=OURS, latency_items=0)
        return variants_of(out)


if __name__ == "__main__":
    main()
