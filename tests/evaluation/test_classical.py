from __future__ import annotations

import unicodedata

import pytest

from domainkit.corpus.example import Example, Turn
from domainkit.errors import ConfigError
from domainkit.evaluation.classical import fit_classical


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


def test_it_labels_questions_it_has_not_seen() -> None:
    answer = fit_classical("label", CARDS)
    assert answer(["has the card arrived yet?", "charges and fees for withdrawals"]) == ["arrival", "fee"]
    assert answer([]) == []


def test_one_label_alone_needs_no_model() -> None:
    assert fit_classical("label", CARDS[:3])(["anything", "else"]) == ["arrival", "arrival"]


def test_answers_come_from_the_nearest_solved_example() -> None:
    answer = fit_classical("answer", examples(("capital of France?", "Paris"), ("capital of Japan?", "Tokyo")))
    assert answer(["What is the capital of japan"] * 300) == ["Tokyo"] * 300
    assert answer(["zzz"]) == ["Paris"]  # nothing in common: the first
    assert answer([]) == []


@pytest.mark.parametrize("kind", ["label", "answer"])
def test_scripts_without_spaces_and_texts_without_words(kind: str) -> None:
    answer = fit_classical(kind, examples(("カードが届かない", "a"), ("手数料が高い", "b"), ("?!", "c")))  # type: ignore[arg-type]
    assert answer(["カードはいつ届く"]) == ["a"]
    assert answer(["手数料について"]) == ["b"]
    assert len(fit_classical(kind, examples(("?", "a"), ("!", "b")))(["...", ""])) == 2  # type: ignore[arg-type]


def test_a_classical_model_without_examples_is_refused() -> None:
    with pytest.raises(ConfigError, match="no solved examples to learn from\n  next: give --train a file"):
        fit_classical("label", [])


def test_another_spelling_of_a_question_gets_the_same_answer() -> None:
    composed, wide = "où est ma clé?", "ｗｈｅｒｅ is it"
    predict = fit_classical("answer", examples((composed, "here"), (wide, "there"), ("कि", "short"), ("की", "long")))
    questions = [unicodedata.normalize("NFD", composed).upper(), "Where is it", "कि", "की"]
    assert predict(questions) == ["here", "there", "short", "long"]
