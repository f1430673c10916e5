"""Shared runs, characters, numbers: what makes two texts alike and what does not."""

from __future__ import annotations

import pytest

from domainkit.similarity.texts import contained, contained_answers, fitted_run, near, numbers, shared_runs
from domainkit.text.words import words


@pytest.mark.parametrize(("length", "run"), [(3, 5), (6, 5), (10, 8), (13, 11), (16, 13), (40, 13)])
def test_the_run_fits_the_length(length: int, run: int) -> None:
    assert fitted_run(length) == run


def split(*texts: str) -> list[list[str]]:
    return [words(text) for text in texts]


def test_scripts_without_spaces_have_one_word_a_character() -> None:
    assert words("How do I, e.g. PAY?") == words("how do i e g pay")
    assert words("朝ごはん, ok") == [*"朝ごはん", "ok"]


def test_a_shared_run_needs_the_same_numbers() -> None:
    pool = split("why was I charged a fee of 3 for a withdrawal")
    assert shared_runs(split("why was I charged a fee of 3 for a transfer"), pool)[0][:2] == (0, 0)
    assert shared_runs(split("why was I charged a fee of 4 for a withdrawal"), pool) == []
    assert numbers(words("type 2 b7")) == {"2", "b7"}


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("how do I read a file in C++ on my computer", "how do I read a file in C on my computer"),
        ("why is the answer false when x < 5 in my code", "why is the answer false when x > 5 in my code"),
        ("what happens to water at -5 degrees in the pipe", "what happens to water at 5 degrees in the pipe"),
        ("how do I send €5 to a friend abroad today", "how do I send $5 to a friend abroad today"),
    ],
)
def test_texts_that_differ_in_a_sign_are_neither_near_nor_share_a_run(a: str, b: str) -> None:
    assert near(split(a), split(b)) == shared_runs(split(a), split(b)) == []
    assert near(split(a), split(f"{a} 🙂")) != []


def test_questions_of_scripts_without_spaces_share_a_run_of_words_not_of_letters() -> None:
    change = "변경하려면 어떻게 해야 하나요?"
    assert shared_runs(split(f"배송지를 {change}"), split(f"결제 수단을 {change}")) == []
    assert shared_runs(split(f"배송지를 {change}"), split(f"그런데 배송지를 {change}"))[0][:2] == (0, 0)
    assert contained(split("ยกเลิกคำสั่งซื้อ"), split("จะยกเลิกคำสั่งซื้อได้ไหม"))[0][:2] == (0, 0)


def test_the_order_of_letters_counts_in_scripts_without_spaces() -> None:
    assert near(split("猫が犬を追いかけて庭に入った"), split("犬が庭を追いかけて猫に入った")) == []
    assert near(split("猫が犬を追いかけて庭に入った"), split("猫が、犬を追いかけて、庭に入った。")) != []


def test_a_run_that_many_rows_share_is_a_turn_of_phrase() -> None:
    pool = split(*(f"what is the inheritance pattern of {name}" for name in ("gout", "albinism", "cystinuria")))
    assert shared_runs(split("what is the inheritance pattern of cherubism"), pool) == []


def test_a_short_text_is_contained_whole_and_a_long_one_by_thirteen_words() -> None:
    long = " ".join(f"word{i}" for i in range(20))
    passages = split("one two three four five six", " ".join(f"word{i}" for i in range(3, 17)))
    assert contained(split("two three four five six", "two three four"), passages) == [(0, 0, 1.0)]
    assert contained(split(long), passages) == [(0, 1, pytest.approx(13 / 21))]


def test_near_texts_share_their_characters() -> None:
    matches = near(
        split("how do I activate my new card please"),
        split("where is my card", "please, how do I activate my new card"),
    )
    assert [(i, j) for i, j, _ in matches] == [(0, 1)]
    assert matches[0][2] >= 0.9


def test_a_rare_answer_is_given_away_and_a_common_one_is_not() -> None:
    pool, answer = split("how common is gout"), split("one in fifteen thousand births")
    solved = split("how common is gout one in fifteen thousand births")
    assert [m[:2] for m in contained_answers(split("what share has gout"), answer, pool, solved)] == [(0, 0)]
    assert contained_answers(split("what share has gout"), answer, pool * 3, solved * 3) == []
