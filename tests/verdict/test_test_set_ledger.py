"""The ledger identifies a set by its content and counts different looks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domainkit.evaluation.task import Sample
from domainkit.results.schema import SetUse
from domainkit.storage import state_dir
from domainkit.verdict.test_set_ledger import FILE, content_of, record_use, settings_of_run


def samples(*questions: str, start: int = 0) -> list[Sample]:
    return [Sample(id=f"q{i}", input=q, target="a", references=("a",)) for i, q in enumerate(questions, start)]


def test_a_set_is_its_questions_whatever_their_order_and_ids() -> None:
    assert content_of(samples("one", "two")) == content_of(samples("two", "one", start=7))
    assert content_of(samples("one", "two")) != content_of(samples("one", "three"))


def test_a_repeated_look_counts_once_and_another_anew(tmp_path: Path) -> None:
    first = record_use("set", "A", "test", "t", tmp_path)
    assert (first.comparisons, first.for_choosing) == (1, 0)
    assert record_use("set", "A", "test", "t", tmp_path) == first
    record_use("other", "A", "test", "t", tmp_path)
    assert record_use("set", "B", "test", "t", tmp_path).comparisons == 2
    assert record_use("set", "C", "dev", "t", tmp_path) == SetUse(
        purpose="dev", comparisons=2, for_choosing=1, first=first.first
    )


def test_other_settings_are_another_look() -> None:
    a = settings_of_run(["k1", "k2"], "zero-shot", {"margin": 0.02})
    assert a == settings_of_run(["k2", "k1"], "zero-shot", {"margin": 0.02})
    assert a != settings_of_run(["k2", "k1"], "zero-shot", {"margin": 0.03})


def test_a_damaged_line_is_passed_over_and_no_question_is_stored(tmp_path: Path) -> None:
    record_use(content_of(samples("a secret question")), "A", "test", "t", tmp_path)
    with (tmp_path / FILE).open("a") as file:
        file.write('{"set": "cut off\n[]\n')
    assert record_use(content_of(samples("a secret question")), "B", "test", "t", tmp_path).comparisons == 2
    text = (tmp_path / FILE).read_text()
    assert "secret" not in text
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert {*json.loads(text.splitlines()[0])} == {"set", "settings", "purpose", "task", "at"}


def test_a_ledger_that_cannot_be_written_is_reported_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    use = record_use("set", "A", "test", "t", tmp_path / "file")
    assert "cannot be written: " in use.unknown


def test_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DOMAINKIT_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_dir() == tmp_path / "domainkit"
    monkeypatch.setenv("DOMAINKIT_STATE", str(tmp_path / "own"))
    assert state_dir() == tmp_path / "own"
