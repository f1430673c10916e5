"""Leakage levels counted on public data sets. `simulations.py --data` saves what is found."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.statistics.page import Cell, Rows


def leakage(data: Path) -> Rows:
    """What each level finds in train for the test questions of public data sets, and how often pairs share their
    target."""
    from domainkit.corpus.read_files import read_examples
    from domainkit.evaluation.read_task import read_task
    from domainkit.retrieval.dense import sentence_cosines
    from domainkit.retrieval.embeddings import MiniLMEmbeddings
    from domainkit.verdict.leakage import find_leaks

    rows: Rows = []
    for name, train, test in (
        ("banking77", "train", "test_small"),
        ("medquad_ghr", "train", "test"),
        ("e2e", "train", "test"),
    ):
        examples = read_examples(data / name / f"{train}.jsonl")
        task = read_task(data / name / f"{test}.jsonl", train=data / name / f"{train}.jsonl")
        model = MiniLMEmbeddings(batch_size=128)
        leaks, _ = find_leaks(
            examples,
            task.samples,
            kind=task.kind,
            cosines=partial(sentence_cosines, model=model),
            pairs=None,
        )
        targets = {e.source: e.target for e in examples} | {s.id: s.target for s in task.samples}
        row: dict[str, Cell] = {"data": name, "questions": len(task.samples)}
        for leak in leaks:
            row[leak.level] = leak.count / len(task.samples)
            same = [targets[p.test] == targets[p.source] for p in leak.pairs]
            row[f"same_{leak.level}"] = sum(same) / len(same) if same else None
        rows.append(row)
    return rows
