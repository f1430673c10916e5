"""In a terminal of 80 columns: no line is wider, what has ended stands above, and what did not end is kept."""

from __future__ import annotations

import io
import re

from rich.console import Console

from domainkit.progress.bars import Bars


def drawn(*, colour: bool = True) -> tuple[Bars, io.StringIO]:
    out = io.StringIO()
    return Bars(Console(file=out, force_terminal=True, width=80, no_color=not colour, _environ={})), out


def screen(out: io.StringIO) -> list[str]:
    """The lines that stand in a terminal in the end: cursor up, erased lines and returns are obeyed."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", out.getvalue()):
        if up := re.fullmatch(r"\x1b\[(\d+)A", part):
            row = max(0, row - int(up[1]))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif not part.startswith(("\x1b", "\r")):
            lines[row] += part
    return [line.rstrip() for line in lines if line.strip()]


def test_no_line_is_wider_than_the_terminal() -> None:
    bars, out = drawn()
    bars.report("leakage between the parts", 12_000, 120_000, "loss 10.881 · 1,442,000 tok/s", 7200.0)
    bars.report("training", 10, 10, "loss 0.881 · 1,442 tok/s", 0.0)
    bars.settle()
    training, leakage = screen(out)
    assert max(len(training), len(leakage)) <= 80
    assert re.fullmatch(r"training +━+ +10/10 +0:00 loss 0\.881 · 1,442 tok/s", training)
    assert re.match(r"leakage between the p… .*12,000/120,000 2:00:00 left", leakage)


def test_what_is_not_finished_stays_where_the_bars_end() -> None:
    bars, out = drawn()
    bars.report("rag", 3, 12, "", None)
    bars.settle()
    [line] = screen(out)
    assert re.match(r"rag +━+.* +3/12 ", line)


def test_a_line_of_text_stands_above_the_bars_and_later_reports_go_on() -> None:
    bars, out = drawn()
    bars.begin("loading")
    bars.say("note: [bold]not markup[/bold]")
    bars.end("loading")
    bars.settle()
    bars.report("rag", 1, 1, "", None)
    bars.settle()
    note, rag = screen(out)
    assert note == "note: [bold]not markup[/bold]"
    assert rag.startswith("rag ")


def test_without_colour_no_colour_is_written() -> None:
    bars, out = drawn(colour=False)
    bars.report("rag", 1, 1, "", None)
    bars.settle()
    assert not re.search(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", out.getvalue())
