from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import pytest

from domainkit.corpus.example import Example, Turn
from domainkit.errors import ConfigError
from domainkit.evaluation.classical import Vectors, choose_classical, fit_classical


def examples(*rows: tuple[str, str]) -> list[Example]:
    return [Example(turns=(Turn(role="user", content=q), Turn(role="assistant", content=a))) for q, a in rows]


CARDS = examples(
    ("where is my card", "arrival"),
    ("my card has not arrived", "arrival"),
    ("when does the card come", "arrival"),
    ("why was I charged", "fee"),
    ("what does a withdrawal cost", "fee"),
    ("the fee is too high", "fee"),
)
NONE = Vectors()
TFIDF = {"label": "TF-IDF with logistic regression", "answer": "the nearest solved example by TF-IDF"}
EMBEDDED = "sentence embeddings with logistic regression"
NEAREST = "the nearest solved example by sentence embeddings"


def same(answer: str, target: str) -> float:
    return float(answer == target)


def length_vectors(texts: Sequence[str]) -> np.ndarray:
    """Embeddings that know a text's length alone."""
    angles = np.array([len(text) for text in texts]) / 20
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).reshape(len(texts), 2)


LENGTHS = Vectors(length_vectors, length_vectors)
# The length says the label; no two texts share a character.
BY_LENGTH = examples(
    *(("".join(chr(0x4E00 + 20 * n + i) for i in range(3 + 12 * (n % 2))), ("short", "long")[n % 2]) for n in range(40))
)


def test_it_labels_questions_it_has_not_seen() -> None:
    answer = fit_classical("label", CARDS, NONE, TFIDF["label"])
    assert answer(["has the card arrived yet?", "charges and fees for withdrawals"]) == ["arrival", "fee"]
    assert answer([]) == []


def test_one_label_alone_needs_no_model() -> None:
    assert fit_classical("label", CARDS[:3], NONE, TFIDF["label"])(["anything", "else"]) == ["arrival", "arrival"]


def test_answers_come_from_the_nearest_solved_example() -> None:
    answer = fit_classical(
        "answer", examples(("capital of France?", "Paris"), ("capital of Japan?", "Tokyo")), NONE, TFIDF["answer"]
    )
    assert answer(["What is the capital of japan"] * 300) == ["Tokyo"] * 300
    assert answer(["zzz"]) == ["Paris"]  # nothing in common: the first
    assert answer([]) == []


@pytest.mark.parametrize("kind", ["label", "answer"])
def test_scripts_without_spaces_and_texts_without_words(kind: str) -> None:
    answer = fit_classical(
        kind, examples(("カードが届かない", "a"), ("手数料が高い", "b"), ("?!", "c")), NONE, TFIDF[kind]
    )  # type: ignore[arg-type]
    assert answer(["カードはいつ届く"]) == ["a"]
    assert answer(["手数料について"]) == ["b"]
    assert len(fit_classical(kind, examples(("?", "a"), ("!", "b")), NONE, TFIDF[kind])(["...", ""])) == 2  # type: ignore[arg-type]


def test_a_classical_model_without_examples_is_refused() -> None:
    with pytest.raises(ConfigError, match="no solved examples to learn from\n  next: give --train a file"):
        fit_classical("label", [], NONE, TFIDF["label"])


def test_the_best_model_is_chosen_by_cross_validation_on_the_training_rows() -> None:
    choice = choose_classical("label", BY_LENGTH, LENGTHS, same)
    assert set(choice.scores) == {TFIDF["label"], EMBEDDED, NEAREST}
    assert choice.name == max(choice.scores, key=choice.scores.__getitem__) != TFIDF["label"]
    assert choice == choose_classical("label", BY_LENGTH, LENGTHS, same)
    answer = fit_classical("label", BY_LENGTH, LENGTHS, choice.name)
    assert answer(["xyz", "x" * 15]) == ["short", "long"]
    assert answer([]) == []


def test_of_equal_models_the_cheapest_is_chosen() -> None:
    choice = choose_classical("label", CARDS * 3, LENGTHS, lambda answer, target: 1.0)
    assert choice.name == TFIDF["label"]


def test_free_answers_choose_between_two_ways_to_be_near() -> None:
    choice = choose_classical("answer", BY_LENGTH, LENGTHS, same)
    assert (choice.name, set(choice.scores)) == (NEAREST, {TFIDF["answer"], NEAREST})
    assert fit_classical("answer", BY_LENGTH, LENGTHS, NEAREST)(["xyz", "x" * 15]) == ["short", "long"]


def test_without_an_embedding_model_or_rows_the_choice_says_why() -> None:
    assert choose_classical("label", BY_LENGTH, NONE, same).why == "there is no embedding model"
    few = choose_classical("label", BY_LENGTH[:11], LENGTHS, same)
    assert (few.name, few.why) == (TFIDF["label"], "11 training rows are too few for cross-validation")


def test_another_spelling_of_a_question_gets_the_same_answer() -> None:
    composed, wide = "où est ma clé?", "ｗｈｅｒｅ is it"
    solved = examples((composed, "here"), (wide, "there"), ("कि", "short"), ("की", "long"))
    predict = fit_classical("answer", solved, NONE, TFIDF["answer"])
    questions = [unicodedata.normalize("NFD", composed).upper(), "Where is it", "कि", "की"]
    assert predict(questions) == ["here", "there", "short", "long"]
