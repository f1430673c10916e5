"""Banking77: tuned-knn, with the nearest solved examples in its prompt, distilled into an adapter for bare questions.

python -m benchmarks.distillation.banking77 --data FOLDER [--labels 20] [--seeds 3] [--work runs/bench/distillation]

FOLDER holds banking77/train_small.jsonl (10 rows a label), train.jsonl and test.jsonl. All arms take as many steps:
plain training on the rows; the teacher's probabilities on the same rows (`baked`); and on these and as many questions
that nobody has labelled, each half as often (`baked, unlabelled too`).
The teacher is the adapter of plain training, seed 0, with neighbours. `--labels` takes so many of the 77 labels: all
take about five times as long as 15. An interrupted run continues.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.runs import domainkit, plain, save, timed, variants_of, verdict_of
from chains import answer_chain
from domainkit import Example, Variant, compare, load_variant, read_examples
from domainkit.distillation.context import distil_context
from domainkit.evaluation.read_task import read_task
from domainkit.llm.chat_model import DomainLLM
from domainkit.results.lookups import score_of
from domainkit.results.schema import Results
from domainkit.statistics.paired import compare_paired, paired_interval

TEACHER, MARGIN = "tuned-knn", 0.02
SETTINGS = {"epochs": 3.0, "batch_size": 8, "learning_rate": 1e-3}
PLAIN, BAKED, MORE = "plain", "baked", "baked, unlabelled too"
ROOM = 20
"""Most tokens of an answer; the longest label has 17."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/bench/distillation"))
    parser.add_argument("--base", default="builtin:smollm2-135m")
    parser.add_argument("--labels", type=int, default=77)
    parser.add_argument("--per-label", type=int, default=4, help="test questions of a label")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=SETTINGS["epochs"])
    args = parser.parse_args()
    data = args.data / "banking77"
    if not (data / "train_small.jsonl").exists():
        sys.exit(f"skipped: no banking77/train_small.jsonl under {args.data}")
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)
    for name in ("httpx", "sentence_transformers"):
        logging.getLogger(name).setLevel(logging.WARNING)
    Bench(data, args.work, args).run()


class Bench:
    """The arms, one after the other; what is there is not made again."""

    def __init__(self, data: Path, work: Path, args: argparse.Namespace) -> None:
        self.data, self.work, self.args = data, work, args
        work.mkdir(parents=True, exist_ok=True)
        self.seeds = range(args.seeds)
        self.settings = SETTINGS | {"epochs": args.epochs}
        self.train, self.test, self.first, self.unlabelled = (
            work / f"{name}.jsonl" for name in ("train", "test", "first", "unlabelled")
        )
        self.commands: dict[str, str] = {}

    def run(self) -> None:
        self.write_rows()
        for seed in self.seeds:
            self.plain(seed)
        run = self.teachers_run()
        more = [*read_examples(self.train), *(e.with_target("") for e in read_examples(self.unlabelled))]
        for seed in self.seeds:
            self.baked(BAKED, seed, run, None, self.args.epochs)
            self.baked(MORE, seed, run, more, self.args.epochs * len(read_examples(self.train)) / len(more))
        results = self.compared(run)
        self.save(results)

    # ---- rows

    def write_rows(self) -> None:
        """Of the labels a spread part; unlabelled questions are those of train.jsonl that are not among the rows."""
        names = json.loads((self.data / "labels.json").read_text(encoding="utf-8"))
        kept = {names[i * len(names) // self.args.labels] for i in range(self.args.labels)}
        small, rest, test = (_rows(self.data / f"{n}.jsonl", kept) for n in ("train_small", "train", "test"))
        known = {r["input"] for r in small}
        size = len(small) // self.args.labels
        _write(self.train, small)
        _write(self.test, _first(test, self.args.per_label))
        _write(self.first, _first(test, 1))
        _write(self.unlabelled, _first([r for r in rest if r["input"] not in known], size))

    # ---- arms

    def plain(self, seed: int) -> None:
        words = [f"{k}={v}" for k, v in self.settings.items()]
        out = self.adapter(PLAIN, seed)
        command = domainkit("train", "--data", self.train, "--base", self.args.base, "--out", out, "--resume")
        command += ["quantization=nf4", f"seed={seed}", *words]
        if not seed:
            self.commands[PLAIN] = plain(command, WORK=self.work)
        self.once(out, lambda: timed(command))

    def teachers_run(self) -> Path:
        """A finished comparison with the teacher as a variant, on one question of each label."""
        out = self.work / "run"
        command = domainkit("compare", "--train", self.train, "--task", self.first, "--out", out)
        command += ["--adapter", str(self.adapter(PLAIN, 0)), "--variants", f"tuned,{TEACHER}", "latency_items=0"]
        self.commands["run"] = plain(command, WORK=self.work)
        if not (out / "report.html").exists():
            timed(command)
        return out

    def baked(self, arm: str, seed: int, run: Path, rows: Sequence[Example] | None, epochs: float) -> None:
        out, config = self.adapter(arm, seed), {"seed": seed, "epochs": epochs}
        self.once(out, lambda: distil_context(run, TEACHER, out, config, questions=rows))

    def adapter(self, arm: str, seed: int) -> Path:
        return self.work / f"{arm.replace(', ', '-').replace(' ', '-')}-{seed}"

    def once(self, out: Path, make: Callable[[], object]) -> None:
        """Make the adapter, and keep the seconds that it took with all that it needs."""
        if (out / "card.json").exists():
            return
        start = time.perf_counter()
        make()
        seconds = {"seconds": round(time.perf_counter() - start, 1)}
        out.with_name(f"{out.name}.json").write_text(json.dumps(seconds), encoding="utf-8")

    # ---- what came of it

    def compared(self, run: Path) -> Results:
        """One comparison of all adapters on bare questions with the teacher, which is the baseline."""
        labels = sorted({e.target for e in read_examples(self.train)})
        llm = DomainLLM(base=self.args.base, quantization="nf4", temperature=0.0, max_tokens=ROOM)
        variants = [
            Variant(
                name=f"{arm} {seed}",
                description=f"The bare question; {arm}, seed {seed}.",
                runnable=answer_chain(llm.model_copy(update={"adapter": str(folder)}).bind(choices=labels)),
                identity=json.loads((folder / "card.json").read_text(encoding="utf-8"))["weights_sha256"],
            )
            for arm in (PLAIN, BAKED, MORE)
            for seed in self.seeds
            for folder in [self.adapter(arm, seed)]
        ]
        unbaked = load_variant(run, TEACHER)
        teacher = Variant(
            name=TEACHER, description="The teacher, with its neighbours.", runnable=unbaked, identity=str(run)
        )
        task = read_task(self.test, kind="label", labels=labels)
        return compare(task, [teacher, *variants], self.work / "compare", baseline=TEACHER, margin=MARGIN)

    def save(self, results: Results) -> None:
        metric = results.task.primary_metric
        scores = {v.name: [score_of(i, v.name, metric) or 0.0 for i in results.items] for v in results.variants}
        arms = {arm: _mean([scores[f"{arm} {s}"] for s in self.seeds]) for arm in (PLAIN, BAKED, MORE)}
        facts: dict[str, Any] = {
            "labels": self.args.labels,
            "rows": len(read_examples(self.train)),
            "questions": len(results.items),
            "seeds": len(self.seeds),
            "settings": self.settings,
            "margin": MARGIN,
            "commands": self.commands,
            "variants": variants_of(self.work / "compare"),
            "verdict": verdict_of(self.work / "compare"),
            "arms": {
                arm: {
                    "accuracy": mean(column),
                    "to_teacher": _difference(column, scores[TEACHER]),
                    "to_plain": _difference(column, arms[PLAIN]),
                    "like_teacher": _mean_share(results, arm, self.seeds, wrong=False),
                    "like_teacher_where_it_is_wrong": _mean_share(results, arm, self.seeds, wrong=True),
                    "training": [_facts(self.adapter(arm, s)) for s in self.seeds],
                }
                for arm, column in arms.items()
            },
        }
        print(f"{TEACHER:20} {mean(scores[TEACHER]):.1%}")
        for arm, found in facts["arms"].items():
            to = ", ".join(f"to {n} {_shown(found[f'to_{n}'])}" for n in ("teacher", "plain"))
            print(f"{arm:20} {found['accuracy']:.1%}  {to}")
        save("distil_banking77", facts)


def _mean(columns: Sequence[Sequence[float]]) -> list[float]:
    return [mean(scores) for scores in zip(*columns, strict=True)]


def _difference(a: Sequence[float], b: Sequence[float]) -> dict[str, float | str]:
    """Paired by question, over the mean of the seeds: value, 95 % interval, and how it was made."""
    pair = compare_paired(a, b)
    low, high, method = paired_interval(pair, 0.95)
    return {"value": float(pair.differences.mean()), "low": low, "high": high, "p": pair.p, "method": method}


def _mean_share(results: Results, arm: str, seeds: Sequence[int], *, wrong: bool) -> float:
    """The share of questions on which the arm gives the teacher's answer, over the mean of the seeds; of all of them,
    or of those that the teacher gets wrong."""
    items = [i for i in results.items if not wrong or i.answers[TEACHER].text != i.target]
    return mean(i.answers[f"{arm} {s}"].text == i.answers[TEACHER].text for i in items for s in seeds)


def _shown(found: dict[str, Any]) -> str:
    return "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * found[k] for k in ("value", "low", "high")))


def _facts(folder: Path) -> dict[str, Any]:
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    kept = {k: card[k] for k in ("tokens", "seconds", "final_loss", "examples", "teacher")}
    timing = folder.with_name(f"{folder.name}.json")
    whole = json.loads(timing.read_text(encoding="utf-8"))["seconds"] if timing.exists() else None
    return {**kept, "seconds_in_all": whole, "steps": card["losses"][-1][0]}


def _rows(path: Path, labels: set[str]) -> list[dict[str, str]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["target"] in labels]


def _first(rows: Sequence[dict[str, str]], per_label: int) -> list[dict[str, str]]:
    """The first so many of each label, in their order."""
    taken: dict[str, int] = {}
    kept = []
    for row in rows:
        taken[row["target"]] = taken.get(row["target"], 0) + 1
        if taken[row["target"]] <= per_label:
            kept.append(row)
    return kept


def _write(path: Path, rows: Sequence[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
