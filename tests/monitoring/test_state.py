"""The state: days are added up, conversations recognised by a keyed hash, damage named."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.errors import DataError
from domainkit.monitoring.reference import make_reference
from domainkit.monitoring.state import (
    CONVERSATIONS,
    DAYS,
    STATE_FILE,
    Day,
    State,
    read_folder,
    save_reference,
    save_state,
)
from tests.monitoring.watched_runs import WordVectors, label_run


def test_old_days_are_added_up_and_found() -> None:
    state = State.new(1)
    state.days = [
        Day(day=f"2026-{1 + k // 28:02}-{1 + k % 28:02}", counted=2, values=(2,), marked=(1,)) for k in range(70)
    ]
    state.add_day((1,), (0,), 1)
    assert len(state.days) == DAYS
    assert state.earlier == Day(day="2026-01-11", counted=22, values=(22,), marked=(11,))
    assert state.day_of(0) == "2026-01-11 or before"
    assert state.day_of(22) == "2026-01-12"
    assert state.day_of(140) == state.days[-1].day


def test_conversations_are_known_by_hashes_of_this_folder() -> None:
    one, other = State.new(1), State.new(1)
    assert not one.is_known("anna")
    assert one.is_known("anna")
    other.is_known("anna")
    assert one.recent != other.recent
    for k in range(CONVERSATIONS):
        one.is_known(str(k))
    assert len(one.recent) == CONVERSATIONS
    assert not one.is_known("anna")


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    reference = make_reference(label_run(), None, WordVectors())
    state = State.new(len(reference.series) + 1)
    save_reference(tmp_path, reference)
    assert read_folder(tmp_path)[1].counted == 0, "stopped before the first answer"
    save_state(tmp_path, state)
    assert read_folder(tmp_path) == (reference, state)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged"),
        (State.new(2).model_dump_json(), "has counts of 2 series, where reference.json has"),
        (State.new(2).model_dump_json().replace("watch/1", "watch/9"), "is damaged: schema_version"),
    ],
)
def test_damage_is_named(tmp_path: Path, text: str, message: str) -> None:
    save_reference(tmp_path, make_reference(label_run(), None, WordVectors()))
    (tmp_path / STATE_FILE).write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_folder(tmp_path)
    assert "the counts then begin anew" in str(caught.value)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"reference\.json: cannot be read") as caught:
        read_folder(tmp_path)
    assert "domainkit watch FOLDER --run RUN begins one" in str(caught.value)
