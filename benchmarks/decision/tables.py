"""The ladder over every kind of task as one table, for the README."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import table
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
