"""The measurement of what each acceleration gains."""

from __future__ import annotations

import pytest

from benchmarks.engine import accelerations
from benchmarks.engine.accelerations import ON, SETTINGS, measure
from tests.inference.tiny_adapters import ask


def test_every_setting_answers_every_case(tiny_base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: SETTINGS[name] for name in (ON, "mixed_lora")}
    monkeypatch.setattr(accelerations, "SETTINGS", few)
    cases = {"two rows": [[ask("a", max_tokens=2), ask("b", max_tokens=2)]], "one": [[ask("c", max_tokens=2)]]}
    found = measure(tiny_base, cases, repeats=1)
    assert list(found) == list(cases)
    for case, rows in found.items():
        assert list(rows) == list(few)
        assert rows[ON]["gain"] == 1
        for figures in rows.values():
            assert figures["seconds"] > 0
            assert figures["texts"] == sum(map(len, cases[case]))
            assert figures["texts_that_differ"] == 0
