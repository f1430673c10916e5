"""Measures become counts and bets; an alarm is raised once."""

from __future__ import annotations

import logging

import numpy as np

from domainkit.monitoring.measures import Measures
from domainkit.monitoring.reference import TAIL, Reference, Series
from domainkit.monitoring.state import CONFIDENCE_BINS, Alarm, State, now
from domainkit.statistics.drift import FALL, RISE, alarm_at

log = logging.getLogger("domainkit")
CONFIDENCE_FIRST = 300
"""A run has no confidences: the first so many answers that have one are the reference."""
DIRECTIONS = {RISE: "rose", FALL: "fell"}


class Tally:
    """Counts conversations into `state`. One thread at a time."""

    def __init__(self, reference: Reference, state: State) -> None:
        self.reference, self.state = reference, state
        self.bets = state.bets()
        self.bounds = reference.bounds(state.confidence)

    @property
    def series(self) -> list[Series | None]:
        """Those of the bets, in their order; None for the confidence as long as it has no reference."""
        return [*self.reference.series, self.state.confidence]

    @property
    def value(self) -> float:
        """The average E."""
        return float(self.bets.value(self.bounds))

    def add(self, measures: Measures) -> list[str]:
        """Count one conversation. The names of the series whose mark it has."""
        marks = [None if s is None else s.mark(measures) for s in self.series]
        values, marked = tuple(int(m is not None) for m in marks), tuple(int(bool(m)) for m in marks)
        self.bets.add(self.bounds, np.array(values), np.array(marked), 1)
        self.state.add_day(values, marked, 1)
        self._learn_confidence(measures.confidence)
        self._raise_alarm()
        return [s.name for s, mark in zip(self.series, marks, strict=True) if s is not None and mark]

    def to_state(self) -> State:
        """The state with the bets as they are."""
        self.state.keep(self.bets)
        return self.state

    def _learn_confidence(self, confidence: float | None) -> None:
        if confidence is None or self.state.confidence is not None:
            return
        bins = self.state.confidences
        bins[min(int(confidence * CONFIDENCE_BINS), CONFIDENCE_BINS - 1)] += 1
        if (n := sum(bins)) < CONFIDENCE_FIRST:
            return
        below = np.concatenate([[0], np.cumsum(bins)[:-1]])  # answers below the lower edge of each bin
        edge = int(np.flatnonzero(below <= TAIL * n)[-1])
        self.state.confidence = Series(
            name="confidence",
            group="confidence",
            title="answers with a low confidence",
            measure="confidence",
            below=edge / CONFIDENCE_BINS,
            n=n,
            marked=int(below[edge]),
            n_effective=float(n),
        )
        self.bounds = self.reference.bounds(self.state.confidence)

    def _raise_alarm(self) -> None:
        if self.value < alarm_at() or self.alarm_of_this_round is not None:
            return
        series, direction = self.largest()
        found = self.series[series]
        alarm = Alarm(
            time=now(),
            counted=self.bets.counted,
            value=self.value,
            series=found.title if found else "",
            direction="rose" if direction == RISE else "fell",
            began=self.bets.change_of(series, direction)[0],
        )
        self.state.alarms.append(alarm)
        log.warning("the questions have changed since %s: %s %s", self.reference.run, alarm.series, alarm.direction)

    @property
    def alarm_of_this_round(self) -> Alarm | None:
        """The alarm since bets last began anew."""
        latest = self.state.alarms[-1] if self.state.alarms else None
        began = self.bets.counted - self.bets.spent
        return latest if latest is not None and latest.counted > began else None

    def largest(self) -> tuple[int, int]:
        """(series, direction) of the largest part in the average."""
        parts = self.bets.values() * self.bounds.weights[:, None]
        series, direction = np.unravel_index(int(parts.argmax()), parts.shape)
        return int(series), int(direction)
