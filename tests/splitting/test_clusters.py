"""Near-duplicates stay together, also through a third row; other numbers are other questions."""

from __future__ import annotations

from domainkit.corpus.example import Example, Turn
from domainkit.splitting.clusters import Clusters, asked, near_duplicates


def test_joins_reach_through_a_third() -> None:
    clusters = Clusters(5)
    clusters.join([(0, 3), (3, 4)])
    clusters.join_equal([(1, "x"), (2, "x"), (2, "y")])
    assert clusters.members() == [[0, 3, 4], [1, 2]]


def test_near_duplicates_are_those_of_the_leakage_check() -> None:
    texts = [
        "Why was I charged a fee for my cash withdrawal?",
        "why was i charged a fee for my cash withdrawal",
        "Why was I charged fees for my cash withdrawal??",
        "Why was I charged a fee of 3 for my cash withdrawal?",
        "Where is my card?",
        "",
        "",
    ]
    assert near_duplicates(texts).members() == [[0, 1, 2], [3], [4], [5], [6]]


def test_a_conversation_is_all_that_was_asked() -> None:
    turns = (Turn(role="system", content="s"), Turn(role="user", content="a"), Turn(role="assistant", content="b"))
    example = Example(turns=(*turns, Turn(role="user", content="c"), Turn(role="assistant", content="d")))
    assert asked(example) == "a\nb\nc"
