"""NearestExamples: nearest first, the question itself left out when asked."""

from __future__ import annotations

from typing import Any

import pytest

from domainkit.corpus.example import Example, Turn
from domainkit.errors import ConfigError
from domainkit.retrieval import NearestExamples, nearest_examples

QUESTIONS = ["where is my card", "where is my cat", "when is the rent due", "Where is my card?"]


def solved(question: str) -> Example:
    return Example(turns=(Turn(role="user", content=question), Turn(role="assistant", content="x")))


EXAMPLES = [solved(q) for q in QUESTIONS]


def asked(examples: list[Example]) -> list[str]:
    return [e.question for e in examples]


def test_the_nearest_stand_first(embeddings: Any) -> None:
    finder = nearest_examples(EXAMPLES, 3, embeddings)
    assert asked(finder.nearest("where is my card")) == [QUESTIONS[0], QUESTIONS[3], QUESTIONS[1]]


def test_the_question_itself_is_left_out_in_any_spelling(embeddings: Any) -> None:
    finder = NearestExamples(EXAMPLES, 3, embeddings)
    assert asked(finder.nearest("WHERE is my card!", exclude_same=True)) == [QUESTIONS[1], QUESTIONS[2]]


def test_many_equal_one_by_one_and_are_embedded_together(embeddings: Any) -> None:
    finder = NearestExamples(EXAMPLES, 2, embeddings)
    questions = ["rent?", "cat?", "rent?"]
    together = finder.nearest_many(questions)
    assert [q for batch in embeddings.asked[1:] for q in batch] == ["rent?", "cat?"]
    assert together == [finder.nearest(q) for q in questions]


def test_k_beyond_the_examples_gives_all(embeddings: Any) -> None:
    assert len(NearestExamples(EXAMPLES, 9, embeddings).nearest("x")) == 4


def test_vectors_are_kept_between_runs(embeddings: Any) -> None:
    NearestExamples(EXAMPLES, 2, embeddings)
    NearestExamples(EXAMPLES, 3, embeddings)
    assert len(embeddings.asked) == 1


def test_nothing_to_choose_from_is_refused(embeddings: Any) -> None:
    with pytest.raises(ConfigError, match="no solved examples to choose from"):
        NearestExamples([], 2, embeddings)
    with pytest.raises(ConfigError, match="k=0: at least one example is needed"):
        NearestExamples(EXAMPLES, 0, embeddings)
