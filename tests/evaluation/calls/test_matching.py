from __future__ import annotations

from itertools import permutations

import pytest

from domainkit.evaluation.calls.call_list import Call
from domainkit.evaluation.calls.matching import count_calls, pair_calls
from domainkit.messages import JsonObject


def book(hive: str, day: str) -> Call:
    return Call("book", {"hive": hive, "day": day})


@pytest.mark.parametrize(
    ("wanted", "given", "counts"),
    [
        ([], [], (0, 0, 0)),
        ([book("4", "Monday")], [book("4", "Monday")], (3, 3, 3)),
        ([book("4", "Monday")], [book("4", "Friday")], (2, 3, 3)),
        ([book("4", "Monday")], [Call("book", {"hive": "4"})], (2, 3, 2)),
        ([Call("book", {"hive": "4"})], [Call("book", {"hive": "4", "day": "Monday"})], (2, 2, 3)),
        ([Call("book", {"hive": "4"})], [Call("book", {"hive": "4", "day": None, "note": ""})], (2, 2, 2)),
        ([book("4", "Monday")], [Call("cancel", {"hive": "4", "day": "Monday"})], (0, 3, 3)),
        ([book("4", "Monday")], [], (0, 3, 0)),
        ([], [book("4", "Monday")], (0, 0, 3)),
        ([book("4", "Monday")], [Call("book", None, '{"hive": "4')], (1, 3, 2)),
        ([book("4", "Monday")], [book("4", "Monday"), book("4", "Monday")], (3, 3, 6)),
        ([book("4", "Monday")], [Call("book", {"hive": 4, "day": " monday"})], (3, 3, 3)),
        ([Call("add", {"to": {"x": 1, "y": [2, 3]}})], [Call("add", {"to": {"x": 1, "y": [2, 4]}})], (3, 4, 4)),
    ],
)
def test_the_name_and_each_value_count(wanted: list[Call], given: list[Call], counts: tuple[int, int, int]) -> None:
    assert count_calls(wanted, given) == counts


def test_the_order_of_calls_does_not_matter() -> None:
    wanted = [book("4", "Monday"), book("5", "Friday"), Call("now", {})]
    for given in permutations(wanted):
        assert count_calls(wanted, given) == (7, 7, 7)
    close = [book("5", "Sunday"), book("4", "Monday")]
    assert count_calls(wanted[:2], close) == (5, 6, 6), "each with the one that it is most like"


def test_many_calls_of_one_tool_are_paired_too() -> None:
    wanted = [book(str(i), "Monday") for i in range(9)]
    assert count_calls(wanted, wanted[::-1]) == (27, 27, 27)
    assert len(pair_calls(wanted, wanted[:4])) == 9


def test_a_value_that_is_the_default_is_as_if_left_out() -> None:
    parameters = {"properties": {"unit": {"type": "string", "default": "kg"}}}
    tools: list[JsonObject] = [{"type": "function", "function": {"name": "weigh", "parameters": parameters}}]
    said, unsaid = [Call("weigh", {"hive": "4", "unit": "kg"})], [Call("weigh", {"hive": "4"})]
    assert count_calls(said, unsaid, tools) == count_calls(unsaid, said, tools) == (2, 2, 2)
    assert count_calls(unsaid, [Call("weigh", {"hive": "4", "unit": "lb"})], tools) == (2, 2, 3)
