"""The learning curve, the training recipe and what training made the model forget."""

from __future__ import annotations

from domainkit.report.sections import forgetting_section
from domainkit.report.wording import labels
from domainkit.report.wording.markdown_text import EXAMPLES, escape, estimate_text, table
from domainkit.report.wording.text import shorten
from domainkit.results.schema import CurvePoint, Results
from domainkit.verdict import numbers
from domainkit.verdict.sentences import forgetting_sentence


def curve(results: Results) -> list[str]:
    rows = [
        [escape(c.variant), numbers.count(p.n), _share(p), "forecast" if ahead else "measured"]
        for c in results.curves
        for ahead, points in ((False, c.points), (True, c.forecast))
        for p in points
    ]
    title = escape(labels.primary_heading(results))
    return ["## Learning curve", table(("Variant", "Training examples", f"{title}, %", ""), rows)] if rows else []


def _share(point: CurvePoint) -> str:
    band = f" ({numbers.percent(point.low)} to {numbers.percent(point.high)})" if numbers.is_finite(point.low) else ""
    return numbers.percent(point.value) + band


def recipes(results: Results) -> list[str]:
    if not results.recipes:
        return []
    title = escape(labels.primary_heading(results))
    heads = ("Variant", "Training seeds", f"{title} by seed, %", "Over items and seeds", "Difference, points", "")
    rows = [
        [
            escape(r.variant),
            ", ".join(str(s) for s in r.seeds),
            ", ".join(numbers.percent(s) for s in r.by_seed),
            estimate_text(r.score),
            f"{numbers.points(r.difference.value)} ({numbers.difference_interval(r.difference)})"
            if r.difference
            else "",
            f"{labels.MARKS[r.state]} {r.state}" if r.state else "baseline",
        ]
        for r in results.recipes
    ]
    return ["## The training recipe", labels.RECIPE, table(heads, rows)]


def forgetting(results: Results) -> list[str]:
    f = results.forgetting
    if f is None:
        return []
    heads = ("General questions", "Base, %", "With the adapter, %", "Difference, points")
    rows = [[escape(name), *cells] for name, *cells in forgetting_section.group_rows(f)]
    blocks = ["## Forgetting", f"**{escape(forgetting_sentence(f))}**", table(heads, rows)]
    if f.text:
        blocks.append(
            f"Bits per byte of general text: base {f.text.base:.3f}, with the adapter {f.text.tuned:.3f}; "
            f"{forgetting_section.bits(f.text)}."
        )
    if f.lost:
        lost_heads = ("No longer right", "Right", "Now")
        lost = [[escape(shorten(t, 100)) for t in (q.question, q.right, q.now)] for q in f.lost[:EXAMPLES]]
        blocks.append(table(lost_heads, lost, right_from=3))
    return blocks
