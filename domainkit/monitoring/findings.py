"""What a watch found: what changed, since when, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from domainkit.monitoring.feedback import FEEDBACK_FILE, read_feedback
from domainkit.monitoring.reference import Group, Reference
from domainkit.monitoring.state import TEXTS_FILE, State, read_folder
from domainkit.monitoring.tally import CONFIDENCE_FIRST, Tally
from domainkit.statistics.drift import ALPHA, HORIZON, RISE

SHOWN, LEAST_E = 6, 2.0
"""Series in a report: so many with the largest E, if it is at least that."""
EXIT_CODES = {False: 0, True: 3}
"""Nothing changed; something did, so what was measured can no longer be relied on."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One series in one direction."""

    title: str
    group: Group
    direction: Literal["rose", "fell"]
    value: float
    """E."""
    reference: float
    """Its share in the run."""
    recent: float
    """Its share since `began`."""
    n: int
    """Conversations since."""
    began: int
    """After how many conversations."""
    day: str


@dataclass(frozen=True, slots=True)
class WatchFindings:
    """What `domainkit watch` reports."""

    folder: str
    reference: Reference
    state: State
    value: float
    """The average E now."""
    largest: float
    """And at the alarm, if that was more."""
    findings: tuple[Finding, ...]
    """The largest E first."""
    notes: tuple[str, ...]
    next_steps: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether an alarm was raised; it stays, until another run is watched in another folder."""
        return bool(self.state.alarms)

    @property
    def exit_code(self) -> int:
        """0, or 3 where something changed."""
        return EXIT_CODES[self.changed]

    @property
    def headline(self) -> str:
        counted = f"{self.state.counted:,} conversations"
        if self.state.alarms:
            first = self.state.alarms[0]
            since = f"since about {self.state.day_of(first.began)}, after {first.began:,} conversations"
            return f"Changed {since}: what is asked or answered is not what the run measured."
        if not self.state.counted:
            return "Nothing has been counted yet."
        return f"No change is shown in {counted}."


def find_changes(folder: Path | str) -> WatchFindings:
    """Read a watch folder; also while a process watches into it. Raises DataError for a folder that is none."""
    folder = Path(folder)
    reference, state = read_folder(folder)
    tally = Tally(reference, state)
    largest = max([tally.value, *(alarm.value for alarm in state.alarms)])
    return WatchFindings(
        folder=str(folder),
        reference=reference,
        state=state,
        value=tally.value,
        largest=largest,
        findings=_findings(tally),
        notes=_notes(folder, reference, state),
        next_steps=_next_steps(folder, reference, state),
    )


def _findings(tally: Tally) -> tuple[Finding, ...]:
    values, found = tally.bets.values(), []
    for k, series in enumerate(tally.series):
        if series is None:
            continue
        direction = int(values[k].argmax())
        began, n, marked = tally.bets.change_of(k, direction)
        if values[k, direction] >= LEAST_E:
            found.append(
                Finding(
                    title=series.title,
                    group=series.group,
                    direction="rose" if direction == RISE else "fell",
                    value=float(values[k, direction]),
                    reference=series.share,
                    recent=marked / n,
                    n=n,
                    began=began,
                    day=tally.state.day_of(began),
                )
            )
    return tuple(sorted(found, key=lambda f: -f.value)[:SHOWN])


def _notes(folder: Path, reference: Reference, state: State) -> tuple[str, ...]:
    chance = f"{100 * ALPHA:g} %"
    notes = [
        f"Without a change an alarm comes with at most {chance} probability in {HORIZON:,} conversations; then bets "
        f"and probability begin anew{f' ({state.renewals} times so far)' if state.renewals else ''}.",
        *reference.notes,
    ]
    if state.later_turns:
        notes.append(f"{state.later_turns:,} later turns of conversations are not counted: they depend on the first.")
    if state.failed:
        notes.append(f"{state.failed:,} calls failed; they are not counted.")
    if state.lost:
        notes.append(f"{state.lost:,} answers could not be counted, the last because: {state.lost_reason}.")
    if state.confidence is not None:
        notes.append(
            f"The reference of the confidence is the first {CONFIDENCE_FIRST} answers that had one, not the run."
        )
    if (folder / TEXTS_FILE).exists():
        notes.append(f"Questions and answers are kept, as asked for: {folder / TEXTS_FILE}")
    if (folder / FEEDBACK_FILE).exists():
        given = read_feedback(folder)
        good, bad = (sum(g.good is mark for g in given) for mark in (True, False))
        corrected = sum(g.correction is not None for g in given)
        notes.append(f"Feedback, with its texts: {good:,} good, {bad:,} bad, {corrected:,} corrections.")
    return tuple(notes)


def _next_steps(folder: Path, reference: Reference, state: State) -> tuple[str, ...]:
    steps = []
    if not state.counted:
        return (
            f'chain.invoke(question, {{"callbacks": [watch("{folder}")]}})  # from domainkit import watch',
            f"domainkit serve {reference.run} --watch {folder}",
        )
    if state.alarms:
        kept = (folder / TEXTS_FILE).exists()
        recent = (
            f"{folder / TEXTS_FILE} has them, with their marks" if kept else "from your own log: no text is kept here"
        )
        steps += [
            "The mix has changed; whether answers became worse only labels can say. "
            f"Have about 100 recent questions answered by a person ({recent}).",
            "Add them to the test questions, compare again, and watch the new run in a new folder: "
            "domainkit compare --task NEW.jsonl … --out NEW, then domainkit watch FOLDER --run NEW",
        ]
    if (folder / FEEDBACK_FILE).exists():
        steps.append(f"Feedback as training rows: domainkit watch {folder} --feedback-rows feedback_rows.jsonl")
    return tuple(steps)
