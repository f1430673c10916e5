"""In a notebook: one text in the cell, which changes in its place."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from domainkit import progress


def test_one_output_is_written_anew(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shown: list[tuple[str, str]] = []

    def display(text: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        shown.append(("new", text["text/plain"]))
        return SimpleNamespace(display_id="d1")

    def update_display(text: dict[str, str], *, raw: bool, display_id: str) -> None:
        shown.append((display_id, text["text/plain"]))

    # IPython itself is no dependency: these are the two of its functions that are called.
    module: Any = ModuleType("IPython")
    module.get_ipython = lambda: SimpleNamespace(kernel=object())
    module.display = SimpleNamespace(display=display, update_display=update_display)
    monkeypatch.setitem(sys.modules, "IPython", module)
    with progress.shown():
        with progress.stage("loading the base"):
            progress.report("few-shot", 1, 2)
        progress.report("few-shot", 2, 2)
        progress.say("note: one")
    assert [where for where, _ in shown] == ["new", *["d1"] * (len(shown) - 1)]
    assert shown[0][1] == "loading the base …"
    assert shown[-1][1] == "few-shot: 2/2\nnote: one"
    assert capsys.readouterr() == ("", "")
