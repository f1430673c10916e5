"""What changed since an earlier run: the verdict then and now, each variant then and now, and what else differs.

Before a comparison replaces the results of another one in its folder, these are kept there as previous_results.json.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from domainkit.errors import ConfigError, DataError, DomainkitError
from domainkit.report.side_by_side import SideBySide, set_side_by_side
from domainkit.report.wording import labels
from domainkit.report.wording.markdown_text import bullets, escape, estimate_text, table
from domainkit.report.wording.text import one_line, shorten
from domainkit.results.lookups import find_variant
from domainkit.results.schema import Portfolio, Results, load_results
from domainkit.verdict import numbers

PREVIOUS = "previous_results.json"
FACTS_SHOWN = 12
MOVED_SHOWN = 4
log = logging.getLogger("domainkit")


@dataclass(frozen=True, slots=True)
class SinceLast:
    """An earlier run beside this one."""

    before: Results
    now: Results
    runs: SideBySide | None = None
    """A is the earlier run; None: `reason` says why the scores cannot be set side by side."""
    reason: str = ""

    @property
    def sentence(self) -> str:
        """The verdict then, in one sentence."""
        was, verdict = self.before.verdict, self.now.verdict
        same = (was.answer, was.choice) == (verdict.answer, verdict.choice)
        then = f"'{one_line(was.answer)}'" + (f" ({_scored(self.before, was.choice)})" if was.choice else "")
        return f"{'As in' if same else 'Other than in'} the earlier run{_made(self.before)}: {then}."

    @property
    def line(self) -> str:
        """For a terminal: the verdict then, and whose score is another one now."""
        if self.runs is None:
            return f"{self.sentence} {self.reason}"
        scores = [(p.name, numbers.percent(p.a.value), numbers.percent(p.b.value)) for p in self.runs.pairings]
        moved = [f"{one_line(name)} {then} → {now} %" for name, then, now in scores if then != now]
        more = f" and {len(moved) - MOVED_SHOWN} more" if len(moved) > MOVED_SHOWN else ""
        said = (
            f"Scores: {', '.join(moved[:MOVED_SHOWN])}{more}." if moved else "Every score that both have is the same."
        )
        return " ".join([self.sentence, said, *map(one_line, _alone(self.runs))])

    @property
    def facts(self) -> tuple[tuple[str, str, str], ...]:
        """(what, then, now) of what else differs: the questions first."""
        a, b = self.before.task, self.now.task
        rows = [("Questions", numbers.count(a.n), numbers.count(b.n))]
        if a.fingerprint != b.fingerprint:
            rows.append(("Questions by content", a.fingerprint[:12], b.fingerprint[:12]))
        rows += self.runs.facts if self.runs else ()
        return tuple(row for row in rows if row[1] != row[2])


def since_last(now: Results, before: Results) -> SinceLast:
    """Set the two side by side, as far as they can be compared."""
    try:
        return SinceLast(before, now, set_side_by_side(before, now))
    except ConfigError as e:
        return SinceLast(before, now, reason=f"{e.what[:1].upper()}{e.what[1:]}, so their scores are not compared.")


def read_previous(folder: Path) -> Results | None:
    """The kept results of the run before; None where there are none. Raises DataError where they cannot be read."""
    return read_results(folder / PREVIOUS) if (folder / PREVIOUS).exists() else None


def read_results(run: Path) -> Results:
    """The results of one comparison. Raises DataError, and ConfigError for several comparisons."""
    found = load_results(run)
    if isinstance(found, Portfolio):
        what = "a run of several comparisons cannot be set beside one"
        raise ConfigError(what, where=str(run), next_step="name the folder of one of them")
    return found


def keep_previous(folder: Path, new: Results) -> None:
    """Before `new` replaces results.json: keep what is there, where it is of another comparison.

    The same comparison run again, as after an interruption, changes nothing.
    """
    file = folder / "results.json"
    if not file.exists():
        return
    try:
        old = load_results(file)
    except DataError:
        return  # a damaged file is no earlier run
    if isinstance(old, Results) and _measured(old) != _measured(new):
        old.save(folder / PREVIOUS)


def _measured(r: Results) -> object:
    """What makes a comparison another one: its questions, its model, its variants and their scores."""
    scores = [(v.name, v.settings, {n: e.value for n, e in v.metrics.items()}) for v in r.variants]
    return r.task.fingerprint, r.baseline, r.model, scores, r.verdict.answer, r.verdict.choice


def _scored(r: Results, name: str) -> str:
    variant = find_variant(r, name)
    value = labels.primary(r, variant).value if variant else None
    return one_line(name) + (f", {numbers.percent(value)} %" if value is not None else "")


def _made(r: Results) -> str:
    return f" of {r.created[:10]}" if r.created else ""


def markdown(since: SinceLast) -> list[str]:
    """The section of report.md."""
    verdicts = [
        [when, escape(r.verdict.answer), escape(r.verdict.choice), escape(r.verdict.headline)]
        for when, r in (("then", since.before), ("now", since.now))
    ]
    blocks = [
        "## Since the last run",
        escape(since.sentence),
        table(("", "Answer", "Variant", ""), verdicts, right_from=4),
    ]
    if since.runs is None:
        blocks.append(escape(since.reason))
    else:
        rows = [
            [
                escape(p.name),
                estimate_text(p.a),
                estimate_text(p.b),
                f"{numbers.points(d.value)} ({numbers.difference_interval(d)})" if (d := p.difference) else "",
                f"{labels.MARKS[d.state]} {d.state}" if d else "not scored in both",
            ]
            for p in since.runs.pairings
        ]
        title = escape(labels.primary_heading(since.now))
        blocks.append(table(("Variant", f"{title} then, %", "now, %", "Difference, points", "State now"), rows))
        notes = [note for note in (since.runs.notice, *_alone(since.runs)) if note]
        blocks += [bullets(map(escape, notes))] if notes else []
    facts = [[escape(shorten(text, 100)) for text in row] for row in since.facts[:FACTS_SHOWN]]
    return [*blocks, *([table(("What else differs", "then", "now"), facts, right_from=3)] if facts else [])]


def _alone(runs: SideBySide) -> list[str]:
    spans = ((f"Only then: {', '.join(runs.only_a)}.", runs.only_a), (f"New: {', '.join(runs.only_b)}.", runs.only_b))
    return [text for text, names in spans if names]


def previous_of(folder: Path, now: Results, against: Path | None = None) -> SinceLast | None:
    """The earlier run of the report in `folder`: that of `against`, else the kept one.

    Raises what reading `against` raises. A kept file that cannot be read is warned of, and left out.
    """
    if against is not None:
        return since_last(now, read_results(against))
    try:
        before = read_previous(folder)
    except DomainkitError as e:
        log.warning("the results of the run before are left out of the report, since %s", e.what)
        return None
    return since_last(now, before) if before is not None else None
