from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.evaluation.metrics import METRICS
from domainkit.report.wording.terms import NOT_KNOWN, OWN, STANDARD, Terms, as_markdown, meaning

GLOSSARY = Path(__file__).resolve().parents[3] / "docs" / "glossary.md"


@pytest.mark.parametrize("words", [OWN, STANDARD])
def test_the_glossary_is_made_from_the_table(words: dict[str, str]) -> None:
    made = as_markdown(words)
    assert made in GLOSSARY.read_text(encoding="utf-8"), "run: python -m domainkit.report.wording.terms"


def test_every_metric_is_explained_in_a_sentence() -> None:
    said = {name: meaning(name) for name in METRICS}
    assert not [name for name, text in said.items() if len(text) < 20 or not text.endswith(".")]


def test_a_term_is_explained_once_however_often_it_stands() -> None:
    terms = Terms()
    first = terms.use("interval")
    assert terms.use("token_f1") != first
    assert terms.use("interval") == first
    assert [t.word for t in terms.used] == ["Interval", "Token F1"]


def test_a_metric_that_nobody_knows_is_named_as_that() -> None:
    terms = Terms()
    terms.use("my own metric")
    assert terms.used[0].text == NOT_KNOWN
