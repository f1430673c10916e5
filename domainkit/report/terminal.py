"""Results as a table and a verdict in the terminal, 80 columns wide and safe against control characters and rich's
markup."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from domainkit.evaluation.kinds import kind_of
from domainkit.report.sections import cost_section, models_section, people_section
from domainkit.report.sections.first_screen import answers, prices_note
from domainkit.report.sections.grounds import grounds
from domainkit.report.sections.judging_section import judge_sentences, pair_sentences
from domainkit.report.wording import labels
from domainkit.report.wording.text import one_line
from domainkit.results.schema import Difference, Portfolio, Results, VariantResult
from domainkit.verdict import numbers
from domainkit.verdict.sentences import forgetting_sentence

_STYLES = {"BETTER": "bold cyan", "WORSE": "bold yellow", "EQUIVALENT": "", "CANNOT TELL YET": "dim"}
_ASCII = str.maketrans({"—": "-", "−": "-", "▲": "+", "▼": "-", "≈": "=", "’": "'", "→": "->", "⟨": "<", "⟩": ">"})


def print_table(results: Results | Portfolio, console: Console | None = None) -> None:
    """Print the table of variants, then what was left out, then the verdict; of several comparisons, each in turn."""
    console = console or Console()
    if isinstance(results, Portfolio):
        for one in results.comparisons:
            console.print(plain_text(one.task.name, console, "bold"))
            print_table(one, console)
        return
    console.print(_table(results, console))
    notes = [f"{v.name}: {labels.failures(v)}" for v in results.variants if v.failures]
    if results.race:
        race = results.race
        notes += [
            f"dropped from the race after {out.answered:,} questions: {name} (worse than {out.better})"
            for name, out in race.out.items()
        ]
        notes.append(f"a race: {race.answers:,} answers made instead of {race.of_answers:,}")
    if results.cost:
        console.print(_costs(results, console))
        notes += [cost_section.break_even_sentence(b) for b in results.cost.break_even[:1]]
    notes += [f"left out: {name}: {reason}" for name, reason in results.left_out.items()]
    notes += models_section.model_sentences(results)
    if results.judges:
        notes += [f"{j.metric}: {text}" for j in results.judges for text in judge_sentences(results, j)[1:3]]
        notes += pair_sentences(results)
    if results.forgetting:
        notes.append(forgetting_sentence(results.forgetting))
    if results.people:
        notes.append(people_section.worth_sentence(results.people))
    for note in filter(None, notes):
        console.print(Padding(plain_text(note, console, "dim"), (0, 1)))
    console.print(_verdict(results, console))


def plain_text(text: object, console: Console, style: str = "") -> Text:
    """Literal text: rich reads no markup in a Text, and a terminal that cannot write a character gets '?' for it."""
    line = one_line(text)
    if not console.encoding.lower().startswith("utf"):
        line = line.translate(_ASCII)
        line = line.encode(console.encoding, "replace").decode(console.encoding)
    return Text(line, style=style)


def _lines(rows: Sequence[tuple[str, str]], console: Console) -> Text:
    return Text("\n").join(plain_text(text, console, style) for text, style in rows if text)


def _table(results: Results, console: Console) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, expand=False)
    title = f"{labels.primary_heading(results)}, %"
    table.add_column("Variant", overflow="fold", min_width=12)
    table.add_column(plain_text(title, console), justify="right", overflow="fold", max_width=18)
    table.add_column(Text("Difference"), justify="right", no_wrap=True)
    table.add_column(Text("Against baseline"), no_wrap=True)
    table.add_column(Text("Time each"), justify="right", no_wrap=True)
    for variant in results.variants:
        table.add_row(*_row(results, variant, console))
    return table


def _costs(results: Results, console: Console) -> Table:
    """Each variant's cost, narrow enough for 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, expand=False)
    assert results.cost is not None
    table.add_column("Cost", overflow="fold", min_width=16)
    table.add_column(
        plain_text(f"1,000 questions, {results.cost.prices.currency}", console), justify="right", max_width=18
    )
    right = f"1,000 {kind_of(results.task.kind).full_marks}"
    table.add_column(plain_text(right, console), justify="right", max_width=18)
    table.add_column(Text("Before the first"), justify="right")
    for v in results.cost.variants:
        correct = None if v.per_correct.value is None else 1000 * v.per_correct.value
        cells = (v.name, numbers.money(v.per_thousand.value), numbers.money(correct), cost_section.fixed_text(v))
        table.add_row(*(plain_text(cell, console) for cell in cells))
    return table


def _row(results: Results, v: VariantResult, console: Console) -> list[Text]:
    score, recommended = labels.primary(results, v), v.name == results.verdict.choice
    # A name that breaks at its model stays readable in a narrow column.
    parts = [v.name.removesuffix(f"@{v.runs_on}"), f"@{v.runs_on}"] if v.name.endswith(f"@{v.runs_on}") else [v.name]
    name = [*((part, "bold" if recommended else "") for part in parts), ("recommended" if recommended else "", "cyan")]
    value = [
        (numbers.percent(score.value), "bold"),
        (numbers.interval(score) if score.value is not None else "no score", "dim"),
    ]
    difference, state = _difference(v.difference, v.name == results.baseline)
    cells = [name, value, difference, state, [(numbers.seconds(v.usage.seconds_per_item), "")]]
    return [_lines(rows, console) for rows in cells]


def _difference(d: Difference | None, baseline: bool) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    if d is None:
        return [("", "")], [("baseline" if baseline else numbers.DASH, "dim")]
    state = [(f"{labels.MARKS[d.state]} {d.state}", _STYLES[d.state])]
    if d.needed and d.state == "CANNOT TELL YET":
        state.append((f"needs about {d.needed:,}", "dim"))
    return [(numbers.points(d.value), "bold"), (numbers.difference_interval(d), "dim")], state


def _verdict(results: Results, console: Console) -> Panel:
    """The answer, then what the first screen of the page says, in its order."""
    v = results.verdict
    parts: list[RenderableType] = [plain_text(v.headline, console, "bold")]
    if by_people := people_section.top_sentence(results):
        parts.append(plain_text(by_people, console, "bold"))
    parts += [Text(), _answers(results, console)]
    if v.action:
        parts += [Text(), plain_text("Next best action", console, "bold"), plain_text(v.action.sentence, console)]
    rests_on = [f"{g.subject}{f' ({g.weak})' if g.weak else ''}: {g.fact}" for g in grounds(results)]
    steps = ("After that", v.next_steps[1:]) if v.action else ("Do next", v.next_steps)
    for heading, lines in (("What it rests on", rests_on), ("What limits it", v.cautions), ("Why", v.reasons), steps):
        if lines:
            parts += [Text(), plain_text(heading, console, "bold"), _bullets(lines, console)]
    title = plain_text(f"{v.answer}", console, "bold cyan")
    return Panel(
        Group(*parts), title=title, title_align="left", border_style="cyan", padding=(1, 2), width=_width(console)
    )


def _answers(results: Results, console: Console) -> Table:
    """How sure, and at what cost: how good stands in the headline."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for a in answers(results):
        if a.question == "How good?":
            continue
        text = f"{a.short}. {' '.join(a.lines)}"
        if a.question == "What does it cost?":
            note = prices_note(results.cost) if results.cost else ""
            first = a.lines[0] if not a.unit else a.lines[0][:1].lower() + a.lines[0][1:]
            text = " ".join(filter(None, (a.short, a.unit, first, note)))
        grid.add_row(plain_text(a.question, console, "bold"), plain_text(text, console))
    return grid


def _bullets(lines: Sequence[str], console: Console) -> Table:
    """A list whose lines wrap under their own text."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row("-", plain_text(line, console))
    return grid


def _width(console: Console) -> int:
    """At most 100 columns: longer lines are hard to read."""
    return min(console.width, 100)
