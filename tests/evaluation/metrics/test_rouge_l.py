from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.evaluation.metrics.rouge_l import longest_common_f1, rouge_l
from domainkit.evaluation.task import Sample, Task

TASK = Task(name="t", kind="answer", samples=(), fingerprint="")
WORDS = st.lists(st.sampled_from("abcd"), max_size=7)


def score(text: str, *references: str) -> float | None:
    return rouge_l(TASK)(Sample(id="1", input="q", target=references[0], references=references), text).value


def test_the_order_of_words_counts() -> None:
    # Lin 2004, section 3.1: the candidates share all words but one with the reference, the second in another order.
    assert score("police kill the gunman", "police killed the gunman") == pytest.approx(3 / 4)
    assert score("the gunman kill police", "police killed the gunman") == pytest.approx(2 / 4)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("蜂は朝に巣を出ます。", "蜂は夜に巣へ戻ります。"),
        ("ผึ้งออกจากรังในตอนเช้า", "ผึ้งกลับรังในตอนเย็น"),
        ("يخرج النحل من الخلية صباحًا", "يعود النحل إلى الخلية مساءً"),
        ("मधुमक्खियाँ सुबह छत्ते से निकलती हैं", "मधुमक्खियाँ शाम को छत्ते में लौटती हैं"),
    ],
)
def test_scripts_that_the_usual_scorer_drops_are_read(text: str, other: str) -> None:
    assert score(text, text) == score(text, other, text) == 1
    assert 0.1 < (score(text, other) or 0) < 0.9
    assert score("bees leave", text) == 0


def test_without_a_reference_there_is_no_score() -> None:
    found = rouge_l(TASK)(Sample(id="1", input="q", target="", references=("",)), "an answer")
    assert (found.value, found.reason) == (None, "the question has no reference")


@given(WORDS, WORDS)
def test_it_is_the_longest_common_subsequence(a: list[str], b: list[str]) -> None:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    expected = 2 * table[-1][-1] / (len(a) + len(b)) if a and b else float(a == b)
    assert longest_common_f1(a, b) == pytest.approx(expected)
