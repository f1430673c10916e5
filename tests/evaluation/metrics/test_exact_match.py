from __future__ import annotations

from domainkit.evaluation.metrics.exact_match import exact_match
from domainkit.evaluation.task import Sample, Task

TASK = Task(name="t", kind="answer", samples=(), fingerprint="")


def score(text: str, *references: str) -> float | None:
    return exact_match(TASK)(Sample(id="1", input="q", target=references[0], references=references), text).value


def test_the_best_of_the_references_counts() -> None:
    assert score("autosomal Recessive.", "recessive", "the autosomal recessive") == 1
    assert score("autosomal dominant", "recessive", "autosomal recessive") == 0


def test_spelling_does_not_count_and_signs_do() -> None:
    assert score("“東京”。", "東京") == score("1,000 €", "€1000") == score("cafe\u0301", "café") == 1
    assert score("x < 5", "x > 5") == score("C", "C++") == score("35", "3.5") == score("5", "-5") == 0


def test_an_empty_answer_is_not_the_option_a() -> None:
    assert score("", "A") == score("The", "A") == 0
    assert score("a.", "A") == 1
