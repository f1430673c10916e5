"""The display is opened once, joined inside, and silent where it is hidden or not open."""

from __future__ import annotations

import pytest

from domainkit import progress


def test_a_report_without_a_display_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    progress.report("embedding", 1, 1)
    with progress.stage("loading"):
        pass
    assert capsys.readouterr() == ("", "")


def test_an_inner_display_joins_the_outer_one(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown():
        with progress.shown():
            progress.report("few-shot", 1, 2)
            progress.report("few-shot", 2, 2)
        progress.report("few-shot", 2, 2)  # told already
    progress.report("tuned", 1, 1)
    assert capsys.readouterr().err == "few-shot: 2/2\n"


def test_hidden_is_hidden_for_all_inside(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.hidden(), progress.shown():
        progress.report("few-shot", 2, 2)
        progress.say("a line")
    assert capsys.readouterr().err == ""


def test_of_several_processes_the_first_one_shows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    with progress.shown():
        progress.report("training", 2, 2)
    assert capsys.readouterr().err == ""


def test_names_come_from_files_and_are_made_visible(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown():
        progress.report("few\x1b[2J", 1, 1)
    assert capsys.readouterr().err == "few⟨U+001B⟩[2J: 1/1\n"
