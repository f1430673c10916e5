"""The tally: one alarm for each renewal; a reference for the confidence from the first answers."""

from __future__ import annotations

from domainkit.monitoring.measures import Measures
from domainkit.monitoring.reference import make_reference
from domainkit.monitoring.state import State
from domainkit.monitoring.tally import CONFIDENCE_FIRST, Tally
from tests.monitoring.watched_runs import WordVectors, label_run


def tally() -> Tally:
    reference = make_reference(label_run(), None, WordVectors())
    return Tally(reference, State.new(len(reference.series) + 1))


def test_an_alarm_is_raised_once_and_names_its_series() -> None:
    counts = tally()
    for _ in range(200):
        counts.add(Measures(label="rent", refused=False))
    [alarm] = counts.state.alarms
    assert alarm.series in ("answers 'rent'", "answers 'card'")
    assert alarm.began == 0
    assert alarm.counted < 100
    assert counts.alarm_of_this_round is alarm


def test_marks_are_named() -> None:
    assert tally().add(Measures(label="", refused=True)) == ["no label", "refused"]


def test_the_confidence_gets_a_reference_of_its_own() -> None:
    counts = tally()
    for k in range(CONFIDENCE_FIRST):
        counts.add(Measures(confidence=k / CONFIDENCE_FIRST))
    series = counts.state.confidence
    assert series is not None
    assert series.n == CONFIDENCE_FIRST
    assert 0.02 <= series.share <= 0.05
    assert series.mark(Measures(confidence=0.01)) is True
    assert series.mark(Measures(confidence=0.9)) is False
    again = Tally(counts.reference, State.model_validate_json(counts.to_state().model_dump_json()))
    assert again.value == counts.value
