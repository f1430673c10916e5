"""The ladder over every kind of task as one table, for the README."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import number, percent, table
from domainkit.evaluation.metrics import metric_title

COLUMNS = {
    "trivial": ("trivial",),
    "classical": ("classical",),
    "zero-shot": ("zero-shot",),
    "few-shot": ("few-shot",),
    "kNN few-shot": ("knn-few-shot",),
    "RAG": ("rag",),
    "tuned": ("tuned",),
    "tuned and retrieving": ("tuned-knn", "tuned-rag", "tuned-context"),
}
"""Heads, and the variants of which the best is shown under each."""
ORDER = ("label", "answer", "labels", "fields", "calls", "text", "dialogue")


def every_kind(facts: dict[str, Any]) -> str:
    """A line for each kind: scores in percent, the recommended variant in bold."""
    kinds = sorted(facts["kinds"], key=lambda k: ORDER.index(k["kind"]))
    rows = []
    for kind in kinds:
        scores = {v["name"]: v["metrics"][kind["metric"]]["value"] for v in kind["variants"]}
        cells = [_cell(scores, names, kind["verdict"]["choice"]) for names in COLUMNS.values()]
        asked = f"{kind['kind']} ({kind['rows']}, {kind['train_rows']:,} / {kind['questions']})"
        rows.append([asked, metric_title(kind["metric"]), *cells])
    headlines = [f"- {kind['kind']}: **{kind['verdict']['answer']}**. {kind['verdict']['headline']}" for kind in kinds]
    return f"{table(['kind (rows, train / test)', 'decided by', *COLUMNS], rows)}\n\n" + "\n".join(headlines)


def _cell(scores: dict[str, float | None], names: tuple[str, ...], choice: str | None) -> str:
    found = {name: scores[name] for name in names if scores.get(name) is not None}
    if not found:
        return "—"
    best = max(found, key=lambda name: found[name] or 0.0)
    text = f"{100 * (found[best] or 0.0):.1f}"
    more = f" ({best})" if len(names) > 1 else ""
    return f"**{text}**{more}" if choice in found and choice == best else f"{text}{more}"


def training_beside_trl(facts: dict[str, Any]) -> str:
    """Examples a second in float32 and NF4, and the accuracy of both adapters."""
    pace, scores = facts["examples_per_second"], {v["name"]: v["metrics"]["label_accuracy"] for v in facts["variants"]}
    rows = [
        [
            f"{side} {facts['trl']}" if side == "SFTTrainer" else side,
            number(pace["none"][side], 1),
            number(pace["nf4"][side], 1),
            percent(scores[f"{side}, free"]),
            percent(scores[side]),
        ]
        for side in ("domainkit", "SFTTrainer")
    ]
    head = [
        "same rows, LoRA, rate and steps",
        "examples/s, float32",
        "examples/s, NF4",
        "accuracy, free",
        "held to labels",
    ]
    ratio = [pace[form]["domainkit"] / pace[form]["SFTTrainer"] for form in ("none", "nf4")]
    beside = (
        f"Pace: {facts['pace_steps']} steps of {facts['batch_size']} rows (domainkit is {ratio[0]:.1f} and "
        f"{ratio[1]:.1f} times as fast). Accuracy: after {facts['steps']} steps in float32 on {facts['rows']} rows of "
        f"{facts['labels']} labels."
    )
    return f"{table(head, rows)}\n\n{beside}"
