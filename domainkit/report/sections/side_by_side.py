"""Two runs on the same questions side by side: one offline HTML page, and a table in the terminal.

B - A for every variant of both runs, paired by question and Holm-adjusted over the variants; then the questions whose score changed,
and what else differs between the runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from domainkit.errors import ConfigError
from domainkit.report.wording import numbers, story
from domainkit.report.wording.text import shorten
from domainkit.results.schema import Difference, Estimate, Item, Portfolio, Results

if TYPE_CHECKING:
    from rich.console import Console

CHANGED_SHOWN = 200
"""Changed questions on the page; more are counted."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """One variant in both runs; `costs` of 1,000 questions, where counted."""

    name: str
    a: Estimate
    b: Estimate
    difference: Difference | None
    seconds: tuple[float | None, float | None]
    costs: tuple[float | None, float | None]


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
    """Two runs; `shared` questions are in both, and `told` says where that is not all of them."""

    a: Results
    b: Results
    shared: int
    pairings: tuple[Pairing, ...]
    changes: tuple[Change, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    facts: tuple[tuple[str, str, str], ...]
    told: str = ""


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
    told = "" if len(pairs) == len(a.items) == len(b.items) else (
        f"Only the {len(pairs):,} questions of both runs are compared; A has {len(a.items):,}, B has {len(b.items):,}."
    )  # fmt: skip
    return SideBySide(
        a, b, len(pairs), _pairings(a, b, pairs, both), _changes(a, pairs, both),
        tuple(v.name for v in a.variants if v.name not in both), tuple(v.name for v in b.variants if v.name not in both),
        _facts(a, b), told,
    )  # fmt: skip


def _shared(a: Results, b: Results) -> list[tuple[Item, Item]]:
    """Questions of both runs: the same id, text and target."""
    theirs = {(i.id, i.input, i.target): i for i in b.items}
    return [(i, theirs[key]) for i in a.items if (key := (i.id, i.input, i.target)) in theirs]


def _pairings(a: Results, b: Results, pairs: list[tuple[Item, Item]], names: list[str]) -> tuple[Pairing, ...]:
    from domainkit.statistics.intervals import estimate
    from domainkit.statistics.paired import adjust, compare_paired

    metric = a.task.primary_metric
    scores = {n: [(story.score_of(x, n, metric), story.score_of(y, n, metric)) for x, y in pairs] for n in names}
    documents = [x.doc_ids[0] if x.doc_ids else x.id for x, _ in pairs]
    clusters = documents if len(set(documents)) < len(documents) else None
    raw = {
        name: compare_paired([y for _, y in found], [x for x, _ in found], clusters=clusters)
        for name, found in scores.items()
    }
    margin = next((v.difference.margin for r in (b, a) for v in r.variants if v.difference), 0.02)
    judged: dict[str, Difference | None] = adjust(raw, margin=margin)
    return tuple(
        Pairing(
            name, estimate([x for x, _ in scores[name]], clusters=clusters), estimate([y for _, y in scores[name]], clusters=clusters),
            judged[name], (_seconds(a, name), _seconds(b, name)), (_cost(a, name), _cost(b, name)),
        )
        for name in names
    )  # fmt: skip


def _seconds(r: Results, name: str) -> float | None:
    found = story.find(r, name)
    return found.usage.seconds_per_item if found else None


def _cost(r: Results, name: str) -> float | None:
    return next((c.per_thousand.value for c in (r.cost.variants if r.cost else ()) if c.name == name), None)


def _changes(a: Results, pairs: list[tuple[Item, Item]], names: list[str]) -> tuple[Change, ...]:
    """Questions whose score changed, the recommended variant of A first, losses before gains."""
    metric, found = a.task.primary_metric, []
    for name in sorted(names, key=lambda n: n != a.verdict.choice):
        changed = []
        for x, y in pairs:
            before, after = story.score_of(x, name, metric), story.score_of(y, name, metric)
            if before is not None and after is not None and abs(before - after) > 1e-9:
                changed.append(Change(name, x, before, after, _said(x, name), _said(y, name)))
        found += sorted(changed, key=lambda c: (c.better, -abs(c.after - c.before)))
    return tuple(found)


def _said(item: Item, name: str) -> str:
    row = item.answers[name]
    return row.text if row.error is None else f"failed: {row.error}"


def _facts(a: Results, b: Results) -> tuple[tuple[str, str, str], ...]:
    """What else differs: model, training, environment, settings of the variants; (label, A, B)."""
    ours, theirs = _told_of(a), _told_of(b)
    labels = dict.fromkeys([*ours, *theirs])
    return tuple((k, ours.get(k, ""), theirs.get(k, "")) for k in labels if ours.get(k, "") != theirs.get(k, ""))


def _told_of(r: Results) -> dict[str, str]:
    environment = {k: v for k, v in r.environment.items() if k != "command"}
    found = dict([*story.facts(r.model), *story.receipt(r), *story.facts(environment)])
    for v in r.variants:
        found |= {f"{v.name}: {label}": value for label, value in story.facts(v.settings)}
    return found | {
        "Training rows": numbers.count(r.task.train_rows),
        "Documents": numbers.count(r.task.corpus_documents),
    }


def render_side_by_side(found: SideBySide, names: tuple[str, str] = ("A", "B")) -> str:
    """The page as HTML text."""
    from domainkit.report.html import page_environment, read_part

    shown = found.changes[:CHANGED_SHOWN]
    return (
        page_environment()
        .get_template("side_by_side.html")
        .render(
            s=found,
            names=names,
            shown=shown,
            changed=_tally(found),
            metric=story.metric_title(found.a.task.primary_metric),
            currency=found.b.cost.prices.currency if found.b.cost else "",
            style=Markup(read_part("report.css")),
        )
    )


def _tally(found: SideBySide) -> dict[str, tuple[int, int]]:
    """Per variant how many questions became better and worse."""
    return {
        p.name: (
            sum(c.better for c in found.changes if c.variant == p.name),
            sum(not c.better for c in found.changes if c.variant == p.name),
        )
        for p in found.pairings
    }


def print_side_by_side(found: SideBySide, console: Console, names: tuple[str, str] = ("A", "B")) -> None:
    """The table of variants in the terminal, then what each run recommended."""
    from rich import box
    from rich.table import Table

    from domainkit.report.terminal import plain_text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, expand=False)
    title = story.metric_title(found.a.task.primary_metric)
    table.add_column("Variant", overflow="fold", min_width=12)
    for head in (f"A: {title}, %", f"B: {title}, %", "B − A", "State"):
        table.add_column(plain_text(head, console), justify="left" if head == "State" else "right", overflow="fold")
    for p in found.pairings:
        d = p.difference
        change = f"{numbers.points(d.value)} ({numbers.difference_interval(d)})" if d else numbers.DASH
        state = f"{story.MARKS[d.state]} {d.state}" if d else ""
        cells = (p.name, numbers.percent(p.a.value), numbers.percent(p.b.value), change, state)
        table.add_row(*(plain_text(cell, console) for cell in cells))
    console.print(plain_text(f"A: {names[0]}", console))
    console.print(plain_text(f"B: {names[1]}", console))
    console.print(table)
    for name, (better, worse) in _tally(found).items():
        console.print(plain_text(f"{name}: {better:,} questions better in B, {worse:,} worse", console, "dim"))
    if found.told:
        console.print(plain_text(found.told, console, "dim"))
    for letter, run in (("A", found.a), ("B", found.b)):
        console.print(
            plain_text(f"{letter} answers: {run.verdict.answer}, {shorten(run.verdict.choice, 60)}", console, "bold")
        )
