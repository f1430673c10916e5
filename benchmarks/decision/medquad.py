"""medquad_ghr: 581 training questions, 1,580 documents, and 290 test questions on conditions outside the training rows.

The whole ladder by kind of question: tuned without documents, RAG, the right document, tuned with RAG, and trained with
passages.

python -m benchmarks.decision.medquad --data FOLDER [--work runs/bench/medquad]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.runs import domainkit, plain, save, timed, variants_of, verdict_of

SETTINGS = ("epochs=2", "batch_size=8", "learning_rate=1e-3")
CONTEXT = ("fit.quantization=nf4", "fit.epochs=1", "fit.batch_size=8", "fit.learning_rate=1e-3")
PASSAGES = ("passages=2", "passage_words=80")
VARIANTS = "classical,zero-shot,few-shot,rag,oracle-rag,tuned,tuned-rag,tuned-context"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/bench/medquad"))
    parser.add_argument(
        "--per-kind", type=int, help="only the first so many test questions of each kind: a quicker, wider answer"
    )
    args = parser.parse_args()
    data: Path = args.data / "medquad_ghr"
    if not (data / "corpus.jsonl").exists():
        sys.exit(f"skipped: no medquad_ghr/corpus.jsonl under {args.data}")
    adapter, run = args.work / "adapter", args.work / "compare"
    test = sample(data / "test.jsonl", args.work, args.per_kind) if args.per_kind else data / "test.jsonl"
    commands = {
        "train": domainkit(
            "train", "--data", data / "train.jsonl", "--out", adapter, "--resume", "quantization=nf4", *SETTINGS
        ),
        "compare": domainkit(
            "compare",
            "--train",
            data / "train.jsonl",
            "--task",
            test,
            "--corpus",
            data / "corpus.jsonl",
            "--adapter",
            adapter,
            "--variants",
            VARIANTS,
            "--out",
            run,
            "kind=answer",
            *PASSAGES,
            "--fit",
            *CONTEXT,
        ),
    }
    for command in commands.values():
        timed(command)
    card = json.loads((adapter / "card.json").read_text(encoding="utf-8"))
    questions = f"the first {args.per_kind} of each kind (--per-kind {args.per_kind})" if args.per_kind else "all"
    save(
        "medquad_ghr",
        {
            "questions": questions,
            "commands": {name: plain(c, DATA=args.data, WORK=args.work) for name, c in commands.items()},
            "variants": variants_of(run),
            "verdict": verdict_of(run),
            "training": {k: card[k] for k in ("tokens", "seconds", "final_loss", "trainable_parameters", "config")},
        },
    )


def sample(test: Path, work: Path, per_kind: int) -> Path:
    """The first `per_kind` questions of each kind, in their order, as a file of its own."""
    taken: dict[str, int] = {}
    kept = []
    for line in test.read_text(encoding="utf-8").splitlines():
        kind = json.loads(line)["kind"]
        taken[kind] = taken.get(kind, 0) + 1
        if taken[kind] <= per_kind:
            kept.append(line)
    work.mkdir(parents=True, exist_ok=True)
    path = work / "test.jsonl"
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
