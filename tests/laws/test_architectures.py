"""docs/architectures.md says what was measured, and three families that differ most are measured again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.runs import RESULTS
from benchmarks.training.architectures import PAGE, Outcome, examine, page
from benchmarks.training.families import FAMILIES

OUTCOMES = [Outcome(**o) for o in json.loads((RESULTS / "architectures.json").read_text(encoding="utf-8"))["outcomes"]]


def test_the_page_is_made_from_the_results() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(OUTCOMES)
    assert [o.family for o in OUTCOMES] == list(FAMILIES)


# OPT calls its linear layers with two dimensions, Gemma 2 has a window and soft-capped logits, and LFM 2 convolutions.
@pytest.mark.parametrize("family", ["OPT", "Gemma 2", "LFM 2"])
def test_a_family_does_what_the_page_says(family: str, tmp_path: Path) -> None:
    [stated] = [o for o in OUTCOMES if o.family == family]
    assert examine(family, tmp_path) == stated
