"""A variant's family follows from its flags, so that the verdict cannot call prompting retrieval."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from pydantic import ValidationError

from domainkit import Variant

SAY = RunnableLambda(lambda question: "yes")


@pytest.mark.parametrize(
    ("flags", "family"),
    [
        ({}, "prompt"),
        ({"shots": "nearest"}, "prompt"),
        ({"retrieve": True}, "retrieve"),
        ({"retrieve": True, "agent": True}, "retrieve"),
        ({"retrieve": True, "oracle": True}, "oracle"),
        ({"tuned": True}, "tune"),
        ({"tuned": True, "shots": "nearest"}, "tune"),
        ({"tuned": True, "retrieve": True}, "combine"),
        ({"classical": "auto"}, "classical"),
        ({"runnable": SAY}, "custom"),
        ({"runnable": SAY, "family": "retrieve"}, "retrieve"),
    ],
)
def test_the_family_follows_from_the_flags(flags: dict[str, Any], family: str) -> None:
    assert Variant(name="v", description="d", **flags).family == family


def test_a_family_that_contradicts_the_flags_is_refused() -> None:
    with pytest.raises(ValidationError, match="these flags make it 'tune': leave the family out"):
        Variant(name="v", family="combine", description="d", tuned=True, shots="nearest")


def test_what_cannot_answer_is_not_a_runnable() -> None:
    with pytest.raises(ValidationError, match="instance of Answerer"):
        Variant(name="v", description="d", runnable=len)


@pytest.mark.parametrize(
    ("flags", "needs"),
    [
        ({}, ()),
        ({"shots": "nearest"}, ("train",)),
        ({"classical": "auto"}, ("train",)),
        ({"tuned": True, "retrieve": True, "needs": ("train",)}, ("adapter", "corpus", "train")),
        ({"tuned": True, "retrieve": True, "context": True}, ("context adapter", "corpus")),
        ({"retrieve": True, "oracle": True}, ("corpus", "gold")),
        ({"runnable": SAY, "needs": ("corpus",)}, ("corpus",)),
    ],
)
def test_what_a_flag_uses_is_needed(flags: dict[str, Any], needs: tuple[str, ...]) -> None:
    assert Variant(name="v", description="d", **flags).needs == needs


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"runnable": SAY, "shots": "fixed"}, "a runnable replaces the chain, so shots would not be used"),
        ({"runnable": SAY, "classical": "auto"}, "so classical would not be used"),
        ({"classical": "auto", "retrieve": True}, "a classical model uses no retrieve"),
        ({"identity": "v1"}, "identity is for a runnable"),
        ({"oracle": True}, "oracle needs retrieve=True"),
        ({"agent": True}, "agent needs retrieve=True"),
        ({"context": True, "retrieve": True}, "context needs tuned=True"),
        ({"agent": True, "retrieve": True, "shots": "fixed"}, "an agent shows no solved examples"),
        ({"name": " "}, "the name is empty"),
        ({"name": "a\ud800"}, "half of a surrogate pair"),
    ],
)
def test_a_flag_that_would_be_ignored_is_refused(flags: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Variant(**{"name": "v", "description": "d", **flags})
