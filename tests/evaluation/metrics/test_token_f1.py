from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.evaluation.metrics.token_f1 import overlap_f1, token_f1
from domainkit.evaluation.task import Sample, Task

TASK = Task(name="t", kind="answer", samples=(), fingerprint="")
WORDS = st.lists(st.sampled_from(["gene", "is", "mutated", "x"]), max_size=6)


def score(text: str, *references: str) -> float | None:
    return token_f1(TASK)(Sample(id="1", input="q", target=references[0], references=references), text).value


def test_overlap_counts_repeated_words_as_often_as_both_have_them() -> None:
    # "the" is dropped; 2 of 3 answered words and 2 of 4 wanted ones agree
    assert score("the SLC12A3 gene gene", "gene SLC12A3 is mutated") == pytest.approx(2 * 2 / (3 + 4))


def test_the_best_of_the_references_counts() -> None:
    assert score("1 in 40,000 people", "about one in many", "1 in 40000 people") == 1


def test_empty_answers() -> None:
    assert score("", "something") == 0
    assert score("the", "a") == 0
    assert score("x", "the") == 0


def test_scripts_without_spaces_are_compared_by_character() -> None:
    assert 0 < (score("朝はお米ですわ", "朝はパンですわ") or 0) < 1
    assert score("ค่าส่ง ๕๐ บาท", "ค่าส่ง50บาท。") == 1


@given(WORDS, WORDS)
def test_f1_is_symmetric_and_1_only_for_equal_bags(a: list[str], b: list[str]) -> None:
    assert overlap_f1(a, b) == overlap_f1(b, a)
    assert (overlap_f1(a, b) == 1) == (sorted(a) == sorted(b))
