"""Copies and contradictions: what differs is named, and free answers may be several."""

from __future__ import annotations

from domainkit.clinic.near_duplicates import alike, contradictions, copies, differing_words, opposites


def test_words_that_are_no_other_spelling_differ() -> None:
    assert differing_words("Where is my card?", "where is my CARD") is None
    assert differing_words("Where is my card charged", "where is my card charge") == ()
    assert differing_words("sclerosis type II", "sclerosis type III") == ("ii", "iii")


def test_copies_name_the_first_row_with_the_same_target() -> None:
    asked = ["Where is my card?", "What is a loan?", "where is my card", "where is my card!"]
    found = list(copies(alike(asked), asked, ["a", "b", "x", "A"]))
    assert [(c.row, c.earlier, c.differing) for c in found] == [(3, 0, None)]


def test_the_target_of_most_stands_against_the_others() -> None:
    asked = ["Where is my card?", "where is my card", "where is my card!", "What is a loan?"]
    [one] = contradictions(alike(asked), asked, ["a", "b", "a", "b"], labels=True)
    assert (one.row, one.other, one.majority) == (1, 0, "a")
    assert round(one.share, 2) == 0.67
    [tie] = contradictions(alike(asked[:2]), asked[:2], ["a", "b"], labels=True)
    assert (tie.row, tie.majority) == (1, "")


def test_free_answers_are_compared_where_the_question_is_the_same() -> None:
    asked = ["Why was I charged a fee for my cash withdrawal?", "Why was I charged fees for my cash withdrawal??"]
    clusters = alike(asked)
    assert len(clusters.members()) == 1
    assert list(contradictions(clusters, asked, ["because", "no"], labels=False)) == []
    assert len(list(contradictions(clusters, asked, ["because", "no"], labels=True))) == 1


def test_a_preference_the_other_way_round_is_a_contradiction() -> None:
    asked = ["Is it safe?", "is it safe", "Is it safe?", "Is it dear?"]
    found = list(opposites(asked, ["Yes.", "no", "Maybe", "No"], ["No.", "yes!", "No", "Yes"], pairs=True))
    assert found == [(1, 0)]
    marks = ["good", "bad", "good", "bad"]
    assert list(opposites(asked, ["Yes", "yes.", "No", "Yes"], marks, pairs=False)) == [(1, 0)]
