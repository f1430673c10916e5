from __future__ import annotations

import pytest

from domainkit.evaluation.calls.call_list import Call, calls_of, write_calls
from domainkit.evaluation.calls.rival import CallModel, call_models
from domainkit.evaluation.classical import Vectors
from domainkit.messages import JsonObject

HIVES = ("Clover", "Rosemary", "Thyme", "Heather", "Linden", "Acacia", "Borage", "Sage")
QUESTIONS = [
    *(f"how heavy is hive {hive} today?" for hive in HIVES),
    *(f"what does a jar of {hive} honey cost" for hive in HIVES),
    *(f"good morning, this is {hive}" for hive in HIVES),
]
TARGETS = [
    *(write_calls([Call("hive_weight", {"hive": hive, "unit": "kg"})]) for hive in HIVES),
    *(write_calls([Call("price_of", {"item": f"{hive} honey"})]) for hive in HIVES),
    *("[]" for _ in HIVES),
]
ASKED = ["how heavy is hive Lavender today?", "what does a jar of Chestnut honey cost", "good morning, this is Maple"]


def tool(name: str) -> JsonObject:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def model() -> CallModel:
    [(name, fit)] = call_models(Vectors()).items()
    assert name.startswith("TF-IDF")
    found = fit(QUESTIONS, TARGETS, Vectors())
    assert isinstance(found, CallModel)
    return found


def test_the_tool_is_chosen_and_its_arguments_are_copied_from_the_question(model: CallModel) -> None:
    weight, price, none = map(calls_of, model(ASKED))
    assert weight == (Call("hive_weight", {"hive": "Lavender", "unit": "kg"}),)
    assert price == (Call("price_of", {"item": "Chestnut honey"}),)
    assert none == ()


def test_only_a_tool_that_is_offered_is_called(model: CallModel) -> None:
    offered = [[tool("price_of")], [], None]
    found = [[call.name for call in calls_of(text)] for text in model.among(ASKED, offered)]
    assert "hive_weight" not in found[0]
    assert found[1:] == [[], []]


def test_several_calls_and_tools_without_arguments() -> None:
    [fit] = call_models(Vectors()).values()
    both = write_calls([Call("now", {}), Call("weigh", {"hive": "4"}), Call("weigh", {"hive": "5"})])
    model = fit(["the time and hives 4 and 5", "the time"], [both, write_calls([Call("now", {})])], Vectors())
    first, second = map(calls_of, model(["the time and hives 4 and 5", "the time"]))
    assert [c.name for c in first] == ["now", "weigh", "weigh"]
    assert second == (Call("now", {}),)
    assert fit(["hello"], ["[]"], Vectors())(["good day"]) == ["[]"]
