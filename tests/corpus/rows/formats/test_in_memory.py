"""Rows that a program hands over: dicts and data sets are read, anything else is named with what to give."""

from __future__ import annotations

from typing import Any

import pytest

from domainkit.corpus.rows.formats.in_memory import open_given


def test_a_list_of_dicts_is_read_as_it_is() -> None:
    source = open_given([{"input": "a", "target": 1}, {"x": None}])
    assert source.all() == ([(1, {"input": "a", "target": 1}), (2, {"x": None})], [])
    assert source.place(2) == "the rows given, row 2"


@pytest.mark.parametrize("rows", [("a",), [3], [{1: "a"}], [None]])
def test_a_row_that_is_no_dict_of_names_is_a_problem(rows: Any) -> None:
    _, [problem] = open_given(rows).all()
    assert problem.where == "the rows given, row 1"
    assert "not a dict with names of fields" in problem.what


class Frame:
    def to_dict(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize(
    "given, kind, next_step",
    [
        ({"input": ["a"]}, "dict", "give a path, a list of dicts or a datasets.Dataset"),
        (iter([{"input": "a"}]), "list_iterator", "give a path, a list of dicts or a datasets.Dataset"),
        (3, "int", "give a path, a list of dicts or a datasets.Dataset"),
        (b"a.csv", "bytes", "give a path, a list of dicts or a datasets.Dataset"),
        (Frame(), "Frame", 'give frame.to_dict("records")'),
    ],
)
def test_what_is_no_list_is_named_with_what_to_give(given: Any, kind: str, next_step: str) -> None:
    [problem] = open_given(given).problems
    assert (problem.what, problem.next_step) == (f"are of the type {kind}", next_step)


def test_data_sets_are_read_and_several_splits_refused() -> None:
    import datasets

    data = datasets.Dataset.from_list([{"input": "a", "target": "b"}])
    assert open_given(data).all()[0] == [(1, {"input": "a", "target": "b"})]
    [problem] = open_given(datasets.DatasetDict(train=data, test=data)).problems
    assert (problem.what, problem.next_step) == ("are several splits: train, test", "give one, such as ['train']")
