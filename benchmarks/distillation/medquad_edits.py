"""medquad_ghr: ten documents are edited. Which variants notice: retrieval, or the same passages baked into an adapter?

python -m benchmarks.distillation.medquad_edits --data FOLDER [--rows 120] [--work runs/bench/edits]

FOLDER holds medquad_ghr/train.jsonl, test.jsonl and corpus.jsonl. An adapter is trained on the rows; tuned-rag (that
adapter with two passages) is baked into another one for bare questions. Then ten documents get another fact of the same
kind, and the ten questions about them, which both adapters have learnt, are asked before and after. An interrupted run
continues.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.runs import domainkit, plain, save, timed
from chains import answer_chain
from domainkit import Variant, compare, read_examples
from domainkit.distillation.context import distil_context
from domainkit.llm.chat_model import DomainLLM
from domainkit.results.lookups import score_of
from domainkit.results.schema import Results

SETTINGS = ("quantization=nf4", "epochs=2", "batch_size=8", "learning_rate=1e-3")
PASSAGES = ("passages=2", "passage_words=80")
EDITED, OTHERS, ROOM = 10, 200, 24
"""Documents edited, documents beside those of the rows, and most tokens of an answer."""
METRIC, TEACHER = "exact_match", "tuned-rag"
Rows = list[dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/bench/edits"))
    parser.add_argument("--base", default="builtin:smollm2-135m")
    parser.add_argument("--rows", type=int, default=120)
    args = parser.parse_args()
    data = args.data / "medquad_ghr"
    if not (data / "corpus.jsonl").exists():
        sys.exit(f"skipped: no medquad_ghr/corpus.jsonl under {args.data}")
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)
    measure(data, args.work, args.base, args.rows)


def measure(data: Path, work: Path, base: str, n_rows: int) -> None:
    files = write_files(data, work, n_rows)
    adapter, run, baked = work / "adapter", work / "run", work / "baked"
    train = domainkit("train", "--data", files["train"], "--base", base, "--out", adapter, "--resume", *SETTINGS)
    first = domainkit("compare", "--task", files["first"], "--corpus", files["before"], "--adapter", adapter)
    first += ["--out", str(run), "--variants", f"tuned,{TEACHER}", "kind=answer", "latency_items=0", *PASSAGES]
    timed(train)
    if not (run / "report.html").exists():
        timed(first)
    distil_context(run, TEACHER, baked, questions=read_examples(files["train"]))
    results = {when: asked(files, work, base, when) for when in ("before", "after")}
    table = [row(name, results) for name in ("tuned", TEACHER, "baked")]
    for line in table:
        print(
            f"{line['variant']:10} old fact {line['right_before']}/{EDITED}, after the edit: new fact "
            f"{line['new_fact']}/{EDITED}, still the old one {line['old_fact']}/{EDITED}, "
            f"another answer than before {line['changed']}/{EDITED}"
        )
    commands = {name: plain(c, WORK=work) for name, c in (("train", train), ("run", first))}
    card = json.loads((baked / "card.json").read_text(encoding="utf-8"))
    facts = {"rows": n_rows, "edited": EDITED, "commands": commands, "edits": edits_of(files), "variants": table}
    save("distil_medquad_edits", {**facts, "teacher": card["teacher"], "training_seconds": card["seconds"]})


def asked(files: dict[str, Path], work: Path, base: str, when: str) -> Results:
    """The questions about the edited documents, with the documents as they were `before` or are `after`."""
    llm = DomainLLM(base=base, quantization="nf4", temperature=0.0, max_tokens=ROOM, adapter=str(work / "baked"))
    identity = json.loads((work / "baked" / "card.json").read_text(encoding="utf-8"))["weights_sha256"]
    baked = Variant(
        name="baked", description="The bare question; baked.", runnable=answer_chain(llm), identity=identity
    )
    return compare(
        files[f"questions_{when}"],
        ["tuned", TEACHER, baked],
        work / f"compare-{when}",
        corpus=files[when],
        adapter=work / "adapter",
        kind="answer",
        max_tokens=ROOM,
        latency_items=0,
        passages=2,
        passage_words=80,
    )


def row(name: str, results: dict[str, Results]) -> dict[str, Any]:
    """How many answers are right before, and which fact they hold after."""
    before, after = results["before"], results["after"]
    texts = [
        (b.answers[name].text, a.answers[name].text, b.target) for b, a in zip(before.items, after.items, strict=True)
    ]
    return {
        "variant": name,
        "right_before": sum(score_of(i, name, METRIC) == 1 for i in before.items),
        "new_fact": sum(score_of(i, name, METRIC) == 1 for i in after.items),
        "old_fact": sum(new.strip().casefold() == old_fact.casefold() for _, new, old_fact in texts),
        "changed": sum(old != new for old, new, _ in texts),
    }


# ---- files -----------------------------------------------------------------------------------------------------------


def write_files(data: Path, work: Path, n_rows: int) -> dict[str, Path]:
    """The rows, some test questions, and the documents and questions before and after the edits."""
    work.mkdir(parents=True, exist_ok=True)
    rows, corpus = _read(data / "train.jsonl")[:n_rows], _read(data / "corpus.jsonl")
    gold = {doc for r in rows for doc in r["doc_ids"]}
    documents = [d for d in corpus if d["id"] in gold] + [d for d in corpus if d["id"] not in gold][:OTHERS]
    edited, questions = edit(rows, {d["id"]: d for d in documents})
    files = {
        "train": rows,
        "first": _read(data / "test.jsonl")[:12],
        "before": documents,
        "after": [edited.get(d["id"], d) for d in documents],
        "questions_before": [old for old, _ in questions],
        "questions_after": [new for _, new in questions],
    }
    return {name: _write(work / f"{name}.jsonl", some) for name, some in files.items()}


def edit(rows: Rows, documents: dict[str, dict[str, Any]]) -> tuple[dict[str, Any], list[tuple[Any, Any]]]:
    """(documents with another fact of the same kind, their questions with the old and the new answer)."""
    edited: dict[str, Any] = {}
    questions: list[tuple[Any, Any]] = []
    for old in rows:
        others = [r["target"] for r in rows if r["kind"] == old["kind"] and r["target"] != old["target"]]
        document = documents[old["doc_ids"][0]]
        if len(questions) == EDITED or document["id"] in edited or old["target"] not in document["text"] or not others:
            continue
        new = others[len(questions) % len(others)]
        edited[document["id"]] = {**document, "text": document["text"].replace(old["target"], new)}
        questions.append((old, {**old, "target": new}))
    return edited, questions


def edits_of(files: dict[str, Path]) -> list[dict[str, str]]:
    pairs = zip(_read(files["questions_before"]), _read(files["questions_after"]), strict=True)
    return [{"question": old["input"], "old": old["target"], "new": new["target"]} for old, new in pairs]


def _read(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
