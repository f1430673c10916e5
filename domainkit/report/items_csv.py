"""Questions × variants as CSV. No cell can become a formula in a spreadsheet."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from domainkit.results.lookups import metric_names, score_of, shown_question
from domainkit.results.schema import Item, Results
from domainkit.storage import write_text
from domainkit.visible import visible

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")
"""What makes a cell of text a formula, in full width too (OWASP, CSV injection); the quote itself, so that it can be
removed."""


def cell(text: str | None) -> str:
    """The text with control characters spelt out, and a ' before it where a spreadsheet would compute it."""
    if text is None:
        return ""
    clean = visible(text)
    return f"'{clean}" if clean.lstrip(" \u00a0\u3000").startswith(_FORMULA) or clean.startswith(_FORMULA) else clean


def to_csv(results: Results) -> str:
    """One row a question; for each variant its answer, scores, tokens, seconds and error."""
    metrics = metric_names(results)
    scored = [m for m in metrics if any(m in a.scores for i in results.items for a in i.answers.values())]
    scored = scored or metrics[:1]
    facts = ("answer", *scored, "tokens in", "tokens out", "seconds", "error")
    out = io.StringIO()
    writer = csv.writer(out)
    heads = ["id", "group", "question", "expected", *(f"{v.name}: {f}" for v in results.variants for f in facts)]
    writer.writerow([cell(h) for h in heads])
    for item in results.items:
        row: list[str | int | float | None] = [
            cell(t) for t in (item.id, item.group, shown_question(item), item.target)
        ]
        for variant in results.variants:
            row += _answer(results, item, variant.name, scored)
        writer.writerow(row)
    return out.getvalue()


def _answer(results: Results, item: Item, variant: str, metrics: list[str]) -> list[str | int | float | None]:
    """Numbers stay numbers; what is not known, and an unasked question, is empty."""
    row = item.answers.get(variant)
    if row is None:
        return [""] * (len(metrics) + 5)
    primary = results.task.primary_metric
    scores = [score_of(item, variant, m) if m == primary else row.scores.get(m) for m in metrics]
    return [cell(row.text), *scores, row.prompt_tokens, row.completion_tokens, row.seconds, cell(row.error)]


def write_csv(results: Results, path: Path) -> None:
    """Write with a byte order mark, without which Excel reads UTF-8 as something else."""
    write_text(path, "\ufeff" + to_csv(results))
