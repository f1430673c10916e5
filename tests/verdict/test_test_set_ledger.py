"""The ledger knows a set by its content, counts different looks, and warns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domainkit.evaluation.task import Sample
from domainkit.results.schema import SetUse
from domainkit.storage import state_dir
from domainkit.verdict.test_set_ledger import FILE, cautions, content_of, luck, record_use, settings_of_run


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


def test_a_spoilt_line_is_passed_over_and_no_question_is_kept(tmp_path: Path) -> None:
    record_use(content_of(samples("a secret question")), "A", "test", "t", tmp_path)
    with (tmp_path / FILE).open("a") as file:
        file.write('{"set": "cut off\n[]\n')
    assert record_use(content_of(samples("a secret question")), "B", "test", "t", tmp_path).comparisons == 2
    text = (tmp_path / FILE).read_text()
    assert "secret" not in text
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert {*json.loads(text.splitlines()[0])} == {"set", "settings", "purpose", "task", "at"}


def test_a_ledger_that_cannot_be_kept_is_told_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    use = record_use("set", "A", "test", "t", tmp_path / "file")
    assert "cannot be kept: " in use.unknown
    assert cautions(use, 0.5, 100) == [f"How often these questions were used is not known: {use.unknown}."]


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (SetUse(comparisons=4), []),
        (SetUse(comparisons=12), ["This is the 12th different comparison on these questions"]),
        (SetUse(comparisons=1, for_choosing=2), ["These questions were used 2 times to choose settings"]),
        (SetUse(purpose="dev", for_choosing=1), ["These questions are for choosing (purpose=dev)"]),
    ],
)
def test_cautions(use: SetUse, said: list[str]) -> None:
    found = cautions(use, 0.6, 200)
    assert len(found) == len(said)
    assert all(f.startswith(s) for f, s in zip(found, said, strict=True))


def test_the_best_of_twelve_equals_looks_five_points_better_at_two_hundred() -> None:
    assert luck(12, 0.5, 200) == pytest.approx(0.057, abs=0.006)


def test_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DOMAINKIT_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_dir() == tmp_path / "domainkit"
    monkeypatch.setenv("DOMAINKIT_STATE", str(tmp_path / "own"))
    assert state_dir() == tmp_path / "own"
