"""Banking77: neighbours in the prompt baked into a bare adapter, beside TRL's self-distillation at the same budget.

python -m benchmarks.distillation.beside_trl --data FOLDER [--labels 15] [--steps 24] [--work runs/bench/beside_trl]

FOLDER holds banking77/train_small.jsonl, train.jsonl and test.jsonl. Both sides teach the same base from itself: the
teacher reads the prompt of knn-few-shot, the same text on both sides, and the student the bare question. Both take
as many examples, the same LoRA, rate and schedule, in float32.

- ours (`distil_context`): KL on the answers of the rows, which the teacher reads once.
- SDFT (`trl.experimental.sdft`, arXiv 2601.19897): on-policy, the student writes an answer and both read it; its loss
  and sampling are its own defaults, but for one answer to a question and the length of an answer.
- plain: cross-entropy on the same rows, which needs no teacher.

An interrupted run continues. About twenty-five minutes of one quiet core.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.distillation.banking77 import ROOM, Bench
from benchmarks.runs import domainkit, plain, save, timed, variants_of
from chains import answer_chain
from domainkit import Example, Variant, compare, load_variant, read_examples
from domainkit.distillation.context import distil_context, teaching_plan, with_its_context
from domainkit.evaluation.read_task import read_task
from domainkit.llm.chat_model import DomainLLM
from domainkit.models.load import load_base
from domainkit.results.schema import Results
from domainkit.storage import sha256_file
from domainkit.winner.source import open_source

TEACHER = "knn-few-shot"
BATCH, RATE = 8, 1e-3
OURS, SDFT, PLAIN = "ours", "SDFT", "plain"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/bench/beside_trl"))
    parser.add_argument("--base", default="builtin:smollm2-135m")
    parser.add_argument("--labels", type=int, default=15)
    parser.add_argument("--per-label", type=int, default=8, help="test questions of a label")
    parser.add_argument("--steps", type=int, default=24, help="of each side, with 8 examples each")
    parser.add_argument("--dry", action="store_true", help="write no results")
    args = parser.parse_args()
    data = args.data / "banking77"
    if not (data / "train_small.jsonl").exists():
        sys.exit(f"skipped: no banking77/train_small.jsonl under {args.data}")
    if find_spec("trl") is None:
        sys.exit("skipped: pip install --no-deps -r requirements-bench.txt")
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)
    for name in ("httpx", "sentence_transformers"):
        logging.getLogger(name).setLevel(logging.WARNING)
    args.seeds, args.epochs = 1, 1.0
    Sides(Bench(data, args.work, args), args).run()


class Sides:
    """The three adapters, one after the other; what is there is not made again."""

    def __init__(self, bench: Bench, args: argparse.Namespace) -> None:
        self.bench, self.args, self.work = bench, args, args.work

    def run(self) -> None:
        self.bench.write_rows()
        self.rows = read_examples(self.bench.train)
        self.settings = {"epochs": self.args.steps * BATCH / len(self.rows), "batch_size": BATCH, "learning_rate": RATE}
        run = self.teachers_run()
        self.once(OURS, lambda out: distil_context(run, TEACHER, out, self.settings))
        self.once(PLAIN, self.plain)
        self.once(SDFT, lambda out: self.sdft(run, out))
        self.save(self.compared(run))

    def once(self, side: str, make: Callable[[Path], object]) -> None:
        """Make the side's adapter, and keep the seconds that it took."""
        out = self.work / side
        if out.with_suffix(".json").exists():
            return
        start = time.perf_counter()
        make(out)
        seconds = {"seconds": round(time.perf_counter() - start, 1)}
        out.with_suffix(".json").write_text(json.dumps(seconds), encoding="utf-8")

    def teachers_run(self) -> Path:
        """A finished comparison with the teacher as a variant, on one question of each label."""
        out = self.work / "run"
        command = domainkit("compare", "--train", self.bench.train, "--task", self.bench.first, "--out", out)
        command += ["--base", self.args.base, "--variants", TEACHER, "quantization=none", "latency_items=0"]
        self.command = plain(command, WORK=self.work)
        if not (out / "report.html").exists():
            timed(command)
        return out

    def plain(self, out: Path) -> None:
        words = [f"{k}={v}" for k, v in self.settings.items()]
        command = domainkit("train", "--data", self.bench.train, "--base", self.args.base, "--out", out, "--resume")
        timed([*command, "quantization=none", *words])

    def sdft(self, run: Path, out: Path) -> None:
        """TRL's trainer. Prompts are given as text: those that our side reads, token for token."""
        from datasets import Dataset
        from peft import LoraConfig
        from transformers import AutoTokenizer
        from trl.experimental.sdft import SDFTConfig, SDFTTrainer

        base = str(load_base(self.args.base, quantization="none").folder)
        tokenizer = AutoTokenizer.from_pretrained(base)
        prompted = with_its_context(self.rows, teaching_plan(open_source(run), TEACHER, None))
        pairs = zip(_texts(tokenizer, self.rows), _texts(tokenizer, prompted), strict=True)
        arguments = SDFTConfig(
            output_dir=str(out) + ".work",
            max_steps=self.args.steps,
            per_device_train_batch_size=BATCH,
            num_generations=1,
            max_completion_length=ROOM,
            max_prompt_length=None,
            learning_rate=RATE,
            lr_scheduler_type="cosine",
            warmup_steps=0.03,
            logging_steps=4,
            save_strategy="no",
            report_to=[],
            seed=0,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            model_init_kwargs={"dtype": "float32"},
        )
        trainer = SDFTTrainer(
            model=base,
            args=arguments,
            train_dataset=Dataset.from_list([{"prompt": p, "privileged_context": c} for p, c in pairs]),
            processing_class=tokenizer,
            peft_config=LoraConfig(
                r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
            ),
        )
        # TRL would put the context behind the question; the teacher reads the whole prompt of the variant instead.
        trainer.teacher_context_builder._compose_teacher_prompt = lambda prompt, context: context
        trainer.train()
        trainer.save_model(str(out))

    # ---- what came of it

    def compared(self, run: Path) -> Results:
        """All adapters on bare questions, held to the labels, with the teacher."""
        labels = sorted({e.target for e in self.rows})
        llm = DomainLLM(base=self.args.base, quantization="none", temperature=0.0, max_tokens=ROOM)
        variants = [
            Variant(
                name=side,
                description=f"The bare question; {side}.",
                runnable=answer_chain(llm.model_copy(update={"adapter": str(self.work / side)}).bind(choices=labels)),
                identity=sha256_file(self.work / side / "adapter_model.safetensors"),
            )
            for side in (PLAIN, OURS, SDFT)
        ]
        loaded = load_variant(run, TEACHER)
        teacher = Variant(name=TEACHER, description="The teacher.", runnable=loaded, identity=str(run))
        bare = Variant(
            name="zero-shot",
            description="The bare question, untrained.",
            runnable=answer_chain(llm.bind(choices=labels)),
        )
        task = read_task(self.bench.test, kind="label", labels=labels)
        return compare(task, [teacher, bare, *variants], self.work / "compare", baseline=TEACHER, latency_items=0)

    def save(self, results: Results) -> None:
        sides = {side: json.loads((self.work / f"{side}.json").read_text("utf-8")) for side in (PLAIN, OURS, SDFT)}
        for v in results.variants:
            value, seconds = v.metrics[results.task.primary_metric].value, sides.get(v.name, {}).get("seconds")
            print(f"{v.name:14} {100 * (value or 0.0):5.1f} %  training {seconds} s")
        if self.args.dry:
            return
        import trl

        facts: dict[str, Any] = {
            "labels": self.args.labels,
            "rows": len(self.rows),
            "questions": len(results.items),
            "steps": self.args.steps,
            "settings": self.settings,
            "trl": trl.__version__,
            "command": self.command,
            "training": sides,
            "variants": variants_of(self.work / "compare"),
        }
        save("distil_beside_trl", facts)


def _texts(tokenizer: Any, examples: Sequence[Example]) -> list[str]:
    """Each example's prompt as the template writes it, up to the answer."""
    turns = [[{"role": t.role, "content": t.content} for t in e.prompt] for e in examples]
    return [tokenizer.apply_chat_template(t, add_generation_prompt=True, tokenize=False) for t in turns]


if __name__ == "__main__":
    main()
