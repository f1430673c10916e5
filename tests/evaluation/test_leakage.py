from __future__ import annotations

from domainkit.corpus.example import Example, Turn
from domainkit.evaluation.leakage import find_leaks, fold
from domainkit.evaluation.task import Sample


def examples(*questions: str) -> list[Example]:
    return [
        Example(turns=(Turn(role="user", content=q), Turn(role="assistant", content="a")), source=f"train.jsonl:{i}")
        for i, q in enumerate(questions, 1)
    ]


def samples(*questions: str) -> list[Sample]:
    return [Sample(id=f"t{i}", input=q, target="a", references=("a",)) for i, q in enumerate(questions, 1)]


TRAIN = examples(
    "How do I activate my card?",
    "I am still waiting for my new card to arrive, where is it?",
    "Which gene is mutated in spastic paraplegia type 8?",
    "Why was I charged a fee for a cash withdrawal?",
)


def test_case_punctuation_and_space_hide_no_exact_leak() -> None:
    (exact, near), clean = find_leaks(TRAIN, samples("how do I  ACTIVATE my card", "Something else entirely"))
    assert (exact.level, exact.count, exact.pairs) == ("exact", 1, (("t1", "train.jsonl:1"),))
    assert near.count == 0
    assert clean == (False, True)


def test_a_changed_word_is_a_near_leak_counted_once() -> None:
    (exact, near), clean = find_leaks(TRAIN, samples("I'm still waiting for my new card to arrive, where is it?"))
    assert exact.count == 0
    assert (near.count, near.pairs) == (1, (("t1", "train.jsonl:2"),))
    assert clean == (False,)


def test_another_number_is_another_question() -> None:
    (_, near), _ = find_leaks(TRAIN, samples("Which gene is mutated in spastic paraplegia type 7?"))
    assert near.count == 0


def test_the_same_topic_is_no_leak() -> None:
    (exact, near), clean = find_leaks(TRAIN, samples("Can you activate a card for my son?", "What are the cash fees?"))
    assert (exact.count, near.count, clean) == (0, 0, (True, True))


def test_all_are_counted_and_fifty_shown() -> None:
    (exact, _), clean = find_leaks(TRAIN, samples(*["How do I activate my card?"] * 70))
    assert (exact.count, len(exact.pairs), sum(clean)) == (70, 50, 0)


def test_nothing_and_punctuation_alone() -> None:
    assert find_leaks([], samples("a"))[1] == (True,)
    assert find_leaks(TRAIN, []) == find_leaks([], [])
    assert fold("?!") == "?!"
    (exact, _), _ = find_leaks(examples("?!", "。"), samples("?!", "..."))
    assert exact.pairs == (("t1", "train.jsonl:1"),)
