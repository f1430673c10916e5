"""What is measured of an answer."""

from __future__ import annotations

import pytest

from domainkit.monitoring.measures import confidence_of, measure, refused, support


@pytest.mark.parametrize("text", ["", "  \n", "I don't know.", "I'm sorry, but I cannot help", "I am unable to say"])
def test_empty_answers_and_refusals(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize("text", ["The hive is on the roof.", "I cannotate", "He said: I don't know"])
def test_answers(text: str) -> None:
    assert not refused(text)


def test_support_is_the_share_of_the_questions_words() -> None:
    assert support("Where is the Queen bee's honey?", ["The queen makes no HONEY."]) == pytest.approx(2 / 3)
    assert support("Where are bees?", []) == 0.0
    assert support("is it ok", ["it is ok"]) is None


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, None),
        ({"choice_probabilities": {"a": 0.25, "b": 0.75}}, 0.75),
        ({"logprobs": {"content": [{"token": "x", "logprob": -1.0}, {"token": "y", "logprob": -3.0}]}}, 0.1353),
        ({"logprobs": {"content": []}}, None),
        ({"logprobs": None}, None),
        ({"choice_probabilities": {"a": "much"}}, None),
        ({"choice_probabilities": {"a": float("nan")}}, None),
    ],
)
def test_confidence(metadata: dict[str, object], expected: float | None) -> None:
    found = confidence_of(metadata)
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-4))


def test_a_variant_without_labels_or_passages_has_neither() -> None:
    found = measure("q?", " an answer ", None, None, parse_label=None, place=None)
    assert (found.label, found.support, found.cell, found.length, found.refused) == (None, None, None, 9, False)
    bare = measure("question", "x", (), None, parse_label=lambda text: None, place=(2, 0.5))
    assert (bare.label, bare.bare, bare.support) == ("", True, None)
