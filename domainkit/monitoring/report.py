"""A watch's findings as Markdown and in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domainkit.monitoring.findings import Finding, WatchFindings
from domainkit.report.wording.markdown_text import bullets, escape, table
from domainkit.statistics.drift import alarm_at
from domainkit.verdict import numbers

if TYPE_CHECKING:
    from rich.console import Console

HEADS = ("Conversations", "In the run, %", "Since then, %", "Since", "E")


def watch_markdown(found: WatchFindings) -> str:
    """The findings for a page, a message or a pull request."""
    blocks = [f"## {escape(found.headline)}", escape(_facts(found))]
    if found.findings:
        blocks.append(table(HEADS, [[escape(title), *figures] for title, *figures in map(_row, found.findings)]))
    if found.next_steps:
        blocks += ["**Do next**", bullets(escape(step) for step in found.next_steps)]
    return "\n\n".join([*blocks, bullets(escape(note) for note in found.notes)]) + "\n"


def print_findings(found: WatchFindings, console: Console) -> None:
    """The same in the terminal."""
    from rich import box
    from rich.table import Table

    from domainkit.report.terminal import plain_text

    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, expand=False)
    grid.add_column(HEADS[0], overflow="fold", min_width=20)
    for head in HEADS[1:]:
        grid.add_column(plain_text(head, console), justify="right", overflow="fold", min_width=6 if head == "E" else 1)
    for finding in found.findings:
        grid.add_row(*(plain_text(cell, console) for cell in _row(finding)))
    if found.findings:
        console.print(grid)
    for note in found.notes:
        console.print(plain_text(f"- {note}", console, "dim"))
    console.print(plain_text(found.headline, console, "bold yellow" if found.changed else "bold green"))
    console.print(plain_text(_facts(found), console))
    for step in found.next_steps:
        console.print(plain_text(f"next: {step}", console))


def _facts(found: WatchFindings) -> str:
    reference, state = found.reference, found.state
    alarm = f"an alarm is raised at {alarm_at():g}"
    text = (
        f"{state.counted:,} conversations since {state.started[:10]}, compared with {reference.questions:,} questions "
        f"of {reference.run} answered by {reference.variant}. Average E {_e(found.value)}; {alarm}"
    )
    if not state.alarms:
        return f"{text}."
    first = state.alarms[0]
    return f"{text}: it was on {first.time[:16]}, at conversation {first.counted:,} (E {_e(first.value)})."


def _row(f: Finding) -> list[str]:
    arrow = "▲" if f.direction == "rose" else "▼"
    since = f"{f.day} (no. {f.began + 1:,})"
    return [
        f"{arrow} {f.title}",
        numbers.percent(f.reference),
        f"{numbers.percent(f.recent)} of {f.n:,}",
        since,
        _e(f.value),
    ]


def _e(value: float) -> str:
    return ">1e6" if value > 1e6 else f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
