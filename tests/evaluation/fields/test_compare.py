"""domainkit.evaluation.fields.compare"""

import json
from collections import Counter

from domainkit.evaluation.fields.compare import Counts, compare_fields, counts_of
from domainkit.evaluation.fields.form import form_of


def statuses(gold: object, answer: object, schema: dict | None = None) -> dict[str, str]:
    return {leaf.path: leaf.status for leaf in compare_fields(gold, answer, *([form_of(schema)] if schema else []))}


LINES = {"type": "array", "items": {"type": "object", "properties": {"sku": {}, "price": {"type": "number"}}}}


def test_each_status_counts_where_the_table_says() -> None:
    gold = {"a": "x", "b": "y", "c": "z", "d": None, "e": ""}
    answer = {"a": "X", "b": "n", "c": None, "d": "new", "f": "outside"}
    found = statuses(gold, answer)
    assert found == {
        "a": "match",
        "b": "mismatch",
        "c": "omission",
        "d": "invention",
        "e": "empty",
        "f": "invention",
    }
    assert counts_of(compare_fields(gold, answer)) == Counts(match=1, gold=3, answered=4)
    assert Counts(1, 3, 4).f1 == 2 / 7


def test_null_absent_and_empty_are_the_same_unless_null_is_a_value() -> None:
    assert statuses({"a": None}, {}) == {"a": "empty"}
    schema = {"properties": {"a": {"type": ["string", "null"], "x-null": "value"}}}
    assert statuses({"a": None}, {}, schema) == {"a": "omission"}
    assert statuses({"a": None}, {"a": None}, schema) == {"a": "match"}
    assert statuses({}, {"a": None}, schema) == {"a": "invention"}
    assert statuses({"a": {"b": 1}}, {"a": None}, schema) == {"a.b": "omission", "a": "invention"}


def test_fields_of_the_schema_that_both_leave_out_are_empty() -> None:
    schema = {"properties": {"a": {}, "b": {"properties": {"c": {}}}}}
    assert statuses({"a": 1}, {"a": 1}, schema) == {"a": "match", "b": "empty"}


def test_nested_fields_have_paths_and_a_missing_object_omits_its_leaves() -> None:
    gold = {"seller": {"name": "Ann", "city": "Bonn"}}
    assert statuses(gold, {"seller": {"name": "Ann", "city": "Köln"}}) == {
        "seller.name": "match",
        "seller.city": "mismatch",
    }
    assert set(statuses(gold, {}).values()) == {"omission"}
    assert Counter(statuses(gold, {"seller": "Ann, Bonn"}).values()) == {"omission": 2, "invention": 1}


def test_a_list_is_matched_whatever_its_order() -> None:
    gold = {"lines": [{"sku": "A", "price": 1}, {"sku": "B", "price": 2}]}
    answer = {"lines": [{"sku": "B", "price": 2.0}, {"sku": "A", "price": 9}, {"sku": "C", "price": 3}]}
    found = statuses(gold, answer)
    assert found["lines[0].sku"] == "match"
    assert found["lines[0].price"] == "mismatch"
    assert found["lines[1].sku"] == found["lines[1].price"] == "match"
    assert found["lines[+2].sku"] == found["lines[+2].price"] == "invention"


def test_entries_of_which_less_than_half_agrees_are_not_partners() -> None:
    gold, answer = {"l": [{"a": 1, "b": 2, "c": 3}]}, {"l": [{"a": 1, "b": 0, "c": 0}]}
    assert Counter(statuses(gold, answer).values()) == {"omission": 3, "invention": 3}


def test_a_key_field_decides_who_is_whose_partner() -> None:
    schema = {"properties": {"lines": {**LINES, "x-key": "sku"}}}
    gold, answer = {"lines": [{"sku": "A", "price": 1}]}, {"lines": [{"sku": "a", "price": 5}]}
    assert statuses(gold, answer, schema) == {"lines[0].sku": "match", "lines[0].price": "mismatch"}
    assert Counter(statuses(gold, {"lines": [{"sku": "B", "price": 1}]}, schema).values()) == {
        "omission": 2,
        "invention": 2,
    }


def test_an_ordered_list_is_matched_by_position() -> None:
    gold, answer = {"steps": ["mix", "bake"]}, {"steps": ["bake", "mix"]}
    assert set(statuses(gold, answer).values()) == {"match"}
    schema = {"properties": {"steps": {"type": "array", "x-ordered": True}}}
    assert set(statuses(gold, answer, schema).values()) == {"mismatch"}


def test_equal_entries_are_matched_by_position_so_that_runs_agree() -> None:
    gold, answer = {"l": ["x", "x", "y"]}, {"l": ["x", "y", "x"]}
    assert statuses(gold, answer) == {"l[0]": "match", "l[1]": "match", "l[2]": "match"}
    long = {"l": [{"n": i % 3, "m": "same"} for i in range(30)]}
    assert compare_fields(long, long) == compare_fields(long, json.loads(json.dumps(long)))


def test_long_lists_and_lists_in_lists_end() -> None:
    many = {"l": [str(i) for i in range(3000)]}
    assert counts_of(compare_fields(many, many)) == Counts(3000, 3000, 3000)
    deep: object = "x"
    for _ in range(40):
        deep = [deep]
    assert counts_of(compare_fields({"l": deep}, {"l": deep})) == Counts(1, 1, 1)


def test_nothing_to_say_and_nothing_said_is_right() -> None:
    assert counts_of(compare_fields({}, {"a": None})).f1 == 1
