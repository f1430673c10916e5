"""Warnings of a reader go to whoever collects them, else to the log; a long step says that it is done."""

from __future__ import annotations

import pytest

from domainkit.corpus.reading import collecting_warnings, step_done, warn


def test_warnings_are_collected_by_the_innermost_block(caplog: pytest.LogCaptureFixture) -> None:
    with collecting_warnings() as outer:
        warn("a.pdf", "first", "do this")
        with collecting_warnings() as inner:
            warn("b.pdf", "second", "do that", line=3)
        warn("a.pdf", "third", "do this")
    assert [p.what for p in outer] == ["first", "third"]
    assert [(p.where, p.severity) for p in inner] == [("b.pdf:3", "warning")]
    assert caplog.text == ""
    warn("c.pdf", "fourth", "look")
    assert "c.pdf: fourth\n  next: look" in caplog.text


def test_steps_are_told_inside_the_block_alone() -> None:
    steps: list[int] = []
    with collecting_warnings(on_step=lambda: steps.append(1)):
        step_done()
    step_done()
    assert steps == [1]
