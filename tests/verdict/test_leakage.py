"""Each level finds its kind of copy and nothing else, and counts a question once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domainkit.corpus.document import Document
from domainkit.corpus.example import Example, Turn
from domainkit.evaluation.task import Sample
from domainkit.results.schema import Leak, LeakPair
from domainkit.similarity.texts import words
from domainkit.verdict.leakage import find_leaks


def examples(*questions: str, answer: str = "a") -> list[Example]:
    return [
        Example(turns=(Turn(role="user", content=q), Turn(role="assistant", content=answer)), source=f"train.jsonl:{i}")
        for i, q in enumerate(questions, 1)
    ]


def samples(*questions: str, answer: str = "a") -> list[Sample]:
    return [Sample(id=f"t{i}", input=q, target=answer, references=(answer,)) for i, q in enumerate(questions, 1)]


def found(leaks: Sequence[Leak], against: str = "train") -> dict[str, list[str]]:
    """Level to the test questions found there, empty levels left out."""
    return {k.level: [p.test for p in k.pairs] for k in leaks if k.against == against and k.count}


TRAIN = examples(
    "How do I activate my card?",
    "I am still waiting for my new card to arrive, where is it?",
    "Which gene is mutated in spastic paraplegia type 8?",
    "Why was I charged a fee for a cash withdrawal?",
)


def test_an_exact_leak_is_found_whatever_its_case_punctuation_and_space() -> None:
    leaks, clean = find_leaks(TRAIN, samples("how do I  ACTIVATE my card", "Something else entirely"))
    assert found(leaks) == {"exact": ["t1"]}
    assert leaks[0].pairs == (
        LeakPair(test="t1", source="train.jsonl:1", text="How do I activate my card?\n→ a", similarity=1.0),
    )
    assert clean == (False, True)


def test_a_changed_word_is_a_near_leak_counted_once() -> None:
    leaks, clean = find_leaks(TRAIN, samples("I'm waiting still for my new card to arrive, and where is it?"))
    assert found(leaks) == {"near": ["t1"]}
    assert clean == (False,)


def test_words_in_a_row_are_an_ngram_leak() -> None:
    leaks, clean = find_leaks(TRAIN, samples("Hello, why was I charged a fee for a cash withdrawal?"))
    assert found(leaks) == {"ngram": ["t1"]}
    assert clean == (False,)


def test_a_common_phrase_is_not_a_leak() -> None:
    train = examples(*(f"What is the inheritance pattern of {name}?" for name in ("cystinuria", "albinism", "gout")))
    leaks, clean = find_leaks(train, samples("What is the inheritance pattern of cherubism?"))
    assert found(leaks) == {}
    assert clean == (True,)


def test_another_number_is_another_question() -> None:
    leaks, _ = find_leaks(TRAIN, samples("Which gene is mutated in spastic paraplegia type 7?"))
    assert found(leaks) == {}


def test_the_same_topic_is_not_a_leak() -> None:
    leaks, clean = find_leaks(TRAIN, samples("Can you activate a card for my son?", "What are the cash fees?"))
    assert (found(leaks), clean) == ({}, (True, True))


def test_scripts_without_spaces_are_read_by_character() -> None:
    assert words("朝ごはんは何？") == list("朝ごはんは何")
    leaks, _ = find_leaks(examples("朝ごはんは何がお好きですか"), samples("ねえ朝ごはんは何がお好きですか"))
    assert "ngram" in found(leaks)


def test_a_rare_answer_that_stands_in_a_solved_example_is_given_away() -> None:
    train = [
        *examples("How common is achondroplasia?", answer="1 in 15,000 to 40,000 births"),
        *examples("Name the gene behind mucolipidosis III alpha", answer="GNPTAB"),
        *examples("What is behind Wolman disease?", answer="LIPA"),
    ]
    asked = [
        *samples("What share of children have dwarfism?", answer="1 in 15,000 to 40,000 births"),
        Sample(id="g", input="Which gene makes mucolipidosis II alpha?", target="GNPTAB", references=("GNPTAB",)),
        Sample(id="c", input="Tell me the cause of CESD", target="LIPA", references=("LIPA",)),
    ]
    leaks, clean = find_leaks(train, asked, kind="answer")
    assert found(leaks) == {"answer": ["t1", "g"]}
    assert clean == (False, False, True)
    assert "answer" not in {leak.level for leak in find_leaks(train, asked, kind="label")[0]}


def test_a_common_answer_is_not_given_away() -> None:
    train = examples(*(f"Is {n} inherited?" for n in ("gout", "albinism", "cystinuria")), answer="autosomal recessive")
    leaks, _ = find_leaks(train, samples("Is porphyria inherited?", answer="autosomal recessive"), kind="answer")
    assert found(leaks) == {}


def test_a_passage_with_the_question_is_a_leak_and_one_with_the_answer_is_not() -> None:
    asked = samples("How long may a plan be paused at most?", "How many days do the strips stay in the hive?")
    documents = [
        Document(id="pause", source="d", text="A plan may be paused for 90 days. The strips stay in the hive 31 days."),
        Document(id="faq", source="d", text="Q: How long may a plan be paused at most?\nA: 90 days."),
        Document(id="near", source="d", text="Bees. How many days do those strips stay in the hive? Ask us."),
    ]
    leaks, clean = find_leaks([], asked, kind="answer", documents=documents)
    assert found(leaks, "index") == {"exact": ["t1"], "near": ["t2"]}
    assert {p.source for leak in leaks for p in leak.pairs} == {"faq", "near"}
    assert clean == (False, False)
    leaks, clean = find_leaks([], asked, kind="answer", documents=documents[:1])
    assert (found(leaks, "index"), clean) == ({}, (True, True))


def test_thirteen_words_of_a_long_question_in_a_passage_are_a_leak() -> None:
    shared = "a keeper came on Monday and left the gate open so the dog ran"
    asked = samples(f"Yesterday {shared} into the road, and who pays for that now?")
    leaks, _ = find_leaks([], asked, documents=[Document(id="d", source="d", text=f"Report: {shared} away.")])
    assert found(leaks, "index") == {"ngram": ["t1"]}


def test_development_questions_are_looked_through_like_training_rows() -> None:
    leaks, clean = find_leaks([], samples("How do I activate my card?"), dev=TRAIN)
    assert (found(leaks, "dev"), clean) == ({"exact": ["t1"]}, (False,))


def letters(asked: Sequence[str], known: Sequence[str]) -> list[np.ndarray]:
    """A stand-in for sentence vectors: 0.97 where the first letters agree."""
    return [np.array([0.97 * (a[0] == k[0]) for k in known]) for a in asked]


def test_the_embedding_level_is_shown_and_leaves_the_question_clean() -> None:
    leaks, clean = find_leaks(TRAIN, samples("However am I to get this plastic going?"), cosines=letters)
    level = leaks[-1]
    assert (level.level, level.count, level.counted, level.threshold) == ("embedding", 1, False, 0.95)
    assert level.pairs[0].similarity == 0.97
    assert clean == (True,)


def test_without_an_embedding_model_the_level_says_why_it_was_not_checked() -> None:
    leaks, _ = find_leaks(TRAIN, samples("a"), unchecked="the MiniLM package is not installed")
    assert leaks[-1].unchecked == "the MiniLM package is not installed"


def test_all_are_counted_and_fifty_shown() -> None:
    leaks, clean = find_leaks(TRAIN, samples(*["How do I activate my card?"] * 70))
    assert (leaks[0].count, len(leaks[0].pairs), sum(clean)) == (70, 50, 0)


def test_nothing_and_punctuation_alone() -> None:
    assert find_leaks([], samples("a")) == ((), (True,))
    assert find_leaks(TRAIN, [])[1] == ()
    leaks, _ = find_leaks(examples("?!", "。"), samples("?!", "...", ""))
    assert found(leaks) == {"exact": ["t1"]}


@given(st.lists(st.text(max_size=30), max_size=5), st.lists(st.text(max_size=30), max_size=5))
def test_any_text_is_looked_through_and_each_question_counted_once(train: list[str], tests: list[str]) -> None:
    leaks, clean = find_leaks(
        examples(*train), samples(*tests), kind="answer", cosines=lambda a, k: [np.ones(len(k))] * len(a)
    )
    everything = [p.test for leak in leaks for p in leak.pairs]
    assert len(everything) == len(set(everything))
    assert len(clean) == len(tests)
