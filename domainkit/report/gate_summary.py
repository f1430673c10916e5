"""The gate's decision as Markdown for a pull request, and in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domainkit.report.wording import labels
from domainkit.report.wording.markdown_text import bullets, escape, table
from domainkit.verdict import numbers
from domainkit.verdict.gate import GateDecision

if TYPE_CHECKING:
    from rich.console import Console

HEADLINES = {"passed": "Gate passed: not worse", "worse": "Gate failed: worse", "cannot tell": "Gate: cannot tell"}
INFORMATION = "Time and cost are information: they do not decide."


def gate_markdown(decision: GateDecision, names: tuple[str, str] = ("candidate", "reference")) -> str:
    """The decision, its table, and what was left out; `names` are the runs'."""
    heads = ("", escape(labels.metric_title(decision.metric)) + ", %", "Time each", "1,000 questions cost")
    blocks = [
        f"## {HEADLINES[decision.outcome]}",
        escape(decision.reason),
        table(heads, [[escape(run), *figures] for run, *figures in _rows(decision, names)]),
    ]
    notes = (*decision.cautions, *decision.unpaired, *(_method(decision)), INFORMATION)
    return "\n\n".join([*blocks, bullets(escape(note) for note in notes)]) + "\n"


def print_gate(decision: GateDecision, console: Console, names: tuple[str, str] = ("candidate", "reference")) -> None:
    """The same in the terminal."""
    from rich import box
    from rich.table import Table

    from domainkit.report.terminal import plain_text

    styles = {"passed": "bold green", "worse": "bold red", "cannot tell": "bold yellow"}
    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, expand=False)
    grid.add_column("Run", overflow="fold", min_width=12)
    for head in (f"{labels.metric_title(decision.metric)}, %", "Time each", "1,000 cost"):
        grid.add_column(plain_text(head, console), justify="right", overflow="fold")
    for row in _rows(decision, names):
        grid.add_row(*(plain_text(cell, console) for cell in row))
    console.print(grid)
    for note in (*decision.cautions, *decision.unpaired):
        console.print(plain_text(f"- {note}", console, "dim"))
    console.print(plain_text(HEADLINES[decision.outcome], console, styles[decision.outcome]))
    console.print(plain_text(decision.reason, console))


def _rows(decision: GateDecision, names: tuple[str, str]) -> list[list[str]]:
    rows = []
    for k, (run, variant) in enumerate(zip(names, decision.variants, strict=True)):
        score = decision.scores[k]
        interval = f" ({numbers.interval(score)})" if numbers.interval(score) else ""
        label = f"{variant}, {run}"
        rows.append(
            [
                label,
                f"{numbers.percent(score.value)}{interval}",
                numbers.seconds(decision.seconds[k]),
                numbers.money(decision.costs[k]),
            ]
        )
    return rows


def _method(decision: GateDecision) -> tuple[str, ...]:
    d = decision.difference
    if d is None:
        return ()
    counts = f"{d.wins:,} questions better, {d.losses:,} worse, {d.ties:,} alike"
    return (f"{counts}. Margin {100 * decision.margin:g} points. Method: {d.method}.",)
