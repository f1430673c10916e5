"""Two runs on the same questions side by side: one offline HTML page, and a table in the terminal.

B - A for every variant of both runs, paired by question and Holm-adjusted over the variants; then the questions whose
score changed, and what else differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from domainkit.errors import ConfigError
from domainkit.evaluation.task import clusters_of
from domainkit.report.sections import facts
from domainkit.report.wording import labels
from domainkit.report.wording.text import shorten
from domainkit.results.lookups import cost_per_thousand, find_variant, score_of, shown_question
from domainkit.results.schema import Difference, Estimate, Item, Portfolio, Results
from domainkit.verdict import numbers

if TYPE_CHECKING:
    from rich.console import Console

CHANGED_SHOWN = 200
"""Changed questions on the page; more are counted."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """One variant in both runs."""

    name: str
    a: Estimate
    b: Estimate
    difference: Difference | None
    seconds: tuple[float | None, float | None]
    """Per question."""
    costs: tuple[float | None, float | None]
    """Of 1,000 questions, where counted."""


@dataclass(frozen=True, slots=True)
class Change:
    """A question that a variant answers better or worse in B."""

    variant: str
    item: Item
    before: float
    after: float
    was: str
    now: str

    @property
    def better(self) -> bool:
        return self.after > self.before


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Two runs and what differs between them."""

    a: Results
    b: Results
    shared: int
    """Questions of both runs."""
    pairings: tuple[Pairing, ...]
    changes: tuple[Change, ...]
    only_a: tuple[str, ...]
    """Variants of A alone."""
    only_b: tuple[str, ...]
    facts: tuple[tuple[str, str, str], ...]
    """(label, A, B) of what else differs."""

    @property
    def notice(self) -> str:
        """A sentence where a run has questions that the other lacks."""
        if self.shared == len(self.a.items) == len(self.b.items):
            return ""
        return (
            f"Only the {self.shared:,} questions of both runs are compared; A has {len(self.a.items):,}, "
            f"B has {len(self.b.items):,}."
        )


def set_side_by_side(a: Results | Portfolio, b: Results | Portfolio) -> SideBySide:
    """Compare the runs. Raises ConfigError where they are not about the same questions, or not scored alike."""
    if isinstance(a, Portfolio) or isinstance(b, Portfolio):
        raise ConfigError(
            "a run of several comparisons cannot be set side by side", next_step="name the folder of one of them"
        )
    if a.task.primary_metric != b.task.primary_metric:
        raise ConfigError(
            f"the runs are scored differently: {a.task.primary_metric} and {b.task.primary_metric}",
            next_step="compare again with the same kind=",
        )
    pairs = _shared(a, b)
    if not pairs:
        raise ConfigError(
            f"the runs share no question: '{a.task.name}' and '{b.task.name}' are different tasks",
            next_step="give two runs of the same --task file",
        )
    both = [v.name for v in a.variants if any(w.name == v.name for w in b.variants)]
    if not both:
        raise ConfigError("the runs share no variant", next_step="run at least one variant of the same name in both")
    return SideBySide(
        a=a,
        b=b,
        shared=len(pairs),
        pairings=_pairings(a, b, pairs, both),
        changes=_changes(a, pairs, both),
        only_a=tuple(v.name for v in a.variants if v.name not in both),
        only_b=tuple(v.name for v in b.variants if v.name not in both),
        facts=_differing_facts(a, b),
    )


def _shared(a: Results, b: Results) -> list[tuple[Item, Item]]:
    """Questions of both runs: the same id, text and target."""
    theirs = {(i.id, shown_question(i), i.target): i for i in b.items}
    return [(i, theirs[key]) for i in a.items if (key := (i.id, shown_question(i), i.target)) in theirs]


def _pairings(a: Results, b: Results, pairs: list[tuple[Item, Item]], names: list[str]) -> tuple[Pairing, ...]:
    from domainkit.statistics.intervals import estimate
    from domainkit.statistics.paired import adjust, compare_paired

    metric = a.task.primary_metric
    clusters = clusters_of([x for x, _ in pairs])
    in_a = {name: [score_of(x, name, metric) for x, _ in pairs] for name in names}
    in_b = {name: [score_of(y, name, metric) for _, y in pairs] for name in names}
    raw = {name: compare_paired(in_b[name], in_a[name], clusters=clusters) for name in names}
    margin = next((v.difference.margin for r in (b, a) for v in r.variants if v.difference), 0.02)
    differences = adjust(raw, margin=margin)
    return tuple(
        Pairing(
            name=name,
            a=estimate(in_a[name], clusters=clusters),
            b=estimate(in_b[name], clusters=clusters),
            difference=differences[name],
            seconds=(_seconds(a, name), _seconds(b, name)),
            costs=(cost_per_thousand(a, name), cost_per_thousand(b, name)),
        )
        for name in names
    )


def _seconds(r: Results, name: str) -> float | None:
    variant = find_variant(r, name)
    return variant.usage.seconds_per_item if variant else None


def _changes(a: Results, pairs: list[tuple[Item, Item]], names: list[str]) -> tuple[Change, ...]:
    """Questions whose score changed, the recommended variant of A first, losses before gains."""
    metric, changes = a.task.primary_metric, []
    for name in sorted(names, key=lambda n: n != a.verdict.choice):
        changed = []
        for x, y in pairs:
            before, after = score_of(x, name, metric), score_of(y, name, metric)
            if before is not None and after is not None and abs(before - after) > 1e-9:
                changed.append(Change(name, x, before, after, _answer_text(x, name), _answer_text(y, name)))
        changes += sorted(changed, key=lambda c: (c.better, -abs(c.after - c.before)))
    return tuple(changes)


def _answer_text(item: Item, name: str) -> str:
    row = item.answers[name]
    return row.text if row.error is None else f"failed: {row.error}"


def _differing_facts(a: Results, b: Results) -> tuple[tuple[str, str, str], ...]:
    """What else differs: model, training, environment, settings of the variants; (label, A, B)."""
    in_a, in_b = _facts(a), _facts(b)
    labels_of_both = dict.fromkeys([*in_a, *in_b])
    rows = ((label, in_a.get(label, ""), in_b.get(label, "")) for label in labels_of_both)
    return tuple(row for row in rows if row[1] != row[2])


def _facts(r: Results) -> dict[str, str]:
    environment = {k: v for k, v in r.environment.items() if k != "command"}
    rows = [*facts.model_facts(r), *facts.training_facts(r), *facts.json_facts(environment)]
    for v in r.variants:
        rows += [(f"{v.name}: {label}", value) for label, value in facts.json_facts(v.settings)]
    rows += [("Training rows", numbers.count(r.task.train_rows)), ("Documents", numbers.count(r.task.corpus_documents))]
    return dict(rows)


def render_side_by_side(runs: SideBySide, names: tuple[str, str] = ("A", "B")) -> str:
    """The page as HTML text."""
    from domainkit.report.html import page_environment, style_sheet

    changes = runs.changes[:CHANGED_SHOWN]
    return (
        page_environment()
        .get_template("side_by_side.html")
        .render(
            s=runs,
            names=names,
            shown=changes,
            changed=_tally(runs),
            metric=labels.primary_heading(runs.a),
            currency=runs.b.cost.prices.currency if runs.b.cost else "",
            style=Markup(style_sheet()),
        )
    )


def _tally(runs: SideBySide) -> dict[str, tuple[int, int]]:
    """Per variant how many questions became better and worse."""
    return {
        p.name: (
            sum(c.better for c in runs.changes if c.variant == p.name),
            sum(not c.better for c in runs.changes if c.variant == p.name),
        )
        for p in runs.pairings
    }


def print_side_by_side(runs: SideBySide, console: Console, names: tuple[str, str] = ("A", "B")) -> None:
    """The table of variants in the terminal, then what each run recommended."""
    from rich import box
    from rich.table import Table

    from domainkit.report.terminal import plain_text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, expand=False)
    title = labels.primary_heading(runs.a)
    table.add_column("Variant", overflow="fold", min_width=12)
    for head in (f"A: {title}, %", f"B: {title}, %", "B − A", "State"):
        table.add_column(plain_text(head, console), justify="left" if head == "State" else "right", overflow="fold")
    for p in runs.pairings:
        d = p.difference
        change = f"{numbers.points(d.value)} ({numbers.difference_interval(d)})" if d else numbers.DASH
        state = f"{labels.MARKS[d.state]} {d.state}" if d else ""
        cells = (p.name, numbers.percent(p.a.value), numbers.percent(p.b.value), change, state)
        table.add_row(*(plain_text(cell, console) for cell in cells))
    console.print(plain_text(f"A: {names[0]}", console))
    console.print(plain_text(f"B: {names[1]}", console))
    console.print(table)
    for name, (better, worse) in _tally(runs).items():
        console.print(plain_text(f"{name}: {better:,} questions better in B, {worse:,} worse", console, "dim"))
    if runs.notice:
        console.print(plain_text(runs.notice, console, "dim"))
    for letter, run in (("A", runs.a), ("B", runs.b)):
        console.print(
            plain_text(f"{letter} answers: {run.verdict.answer}, {shorten(run.verdict.choice, 60)}", console, "bold")
        )
