from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.evaluation.metrics.exact_match import exact_match, normalise
from domainkit.evaluation.task import Sample, Task

TASK = Task(name="t", kind="answer", samples=(), fingerprint="")


def score(text: str, *references: str) -> float | None:
    return exact_match(TASK)(Sample(id="1", input="q", target=references[0], references=references), text).value


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Denver Broncos!", "denver broncos"),
        ("an apple, a day", "apple day"),
        ("theatre", "theatre"),
        ("1 in 20,000", "1 in 20000"),
        ("A-the-B", "atheb"),
        ("", ""),
    ],
)
def test_squad_normalisation(text: str, normal: str) -> None:
    assert normalise(text) == normal


def test_the_best_of_the_references_counts() -> None:
    assert score("autosomal Recessive.", "recessive", "the autosomal recessive") == 1
    assert score("autosomal dominant", "recessive", "autosomal recessive") == 0


@given(st.text())
def test_normalising_is_done_once_spaces_and_case_do_not_matter(text: str) -> None:
    assert normalise(f"  {text}\n") == normalise(text)
