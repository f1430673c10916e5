"""Without a terminal: a line when a part is done, one now and then before, and one for what is silent for long."""

from __future__ import annotations

import time

import pytest

from domainkit.progress import lines
from domainkit.progress.lines import Lines


def test_a_long_part_is_told_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINE_EVERY", 0.0)
    shown = Lines()
    shown.report("rag", 5, 100, "", None)
    shown.report("rag", 10, 100, "loss 1.2", 90.0)
    shown.report("rag", 100, 100, "", None)
    assert capsys.readouterr().err.splitlines() == ["rag: 5/100", "rag: 10/100 · loss 1.2 · 1:30 left", "rag: 100/100"]


def test_what_begins_again_is_told_again(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Lines()
    for done in (1, 2, 2, 1, 2):
        shown.report("training", done, 2, "", None)
    assert capsys.readouterr().err == "training: 2/2\ntraining: 2/2\n"


def test_a_stage_is_named_when_it_lasts(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "SILENT", 0.05)
    shown = Lines()
    shown.begin("loading a")
    shown.end("loading a")
    shown.begin("loading b")
    time.sleep(0.2)
    shown.settle()
    assert capsys.readouterr().err == "loading b …\n"
