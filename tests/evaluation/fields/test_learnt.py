"""domainkit.evaluation.fields.learnt"""

from domainkit.evaluation.fields.learnt import schema_of


def test_keys_types_and_few_values_are_learnt() -> None:
    rows = [{"id": f"A{i}", "size": i + 0.5 * (i % 2), "mood": ["good", "bad"][i % 2], "tags": ["x"]} for i in range(8)]
    rows[0]["note"] = None
    schema = schema_of(rows)
    assert schema["properties"] == {
        "id": {"type": "string"},
        "size": {"type": "number"},
        "mood": {"type": "string", "enum": ["bad", "good"]},
        "tags": {"type": "array", "items": {"type": "string", "enum": ["x"]}},
        "note": {"type": ["string", "null"]},
    }
    assert schema["required"] == ["id", "size", "mood", "tags"]


def test_a_value_seen_twice_makes_no_closed_list() -> None:
    rows = [{"a": v} for v in ["x"] * 5 + ["y"] * 2]
    assert "enum" not in schema_of(rows)["properties"]["a"]


def test_null_and_nested_objects_keep_their_form() -> None:
    rows = [{"s": {"n": 1}, "t": True}, {"s": None, "t": None}, {"s": {"n": 2, "m": []}, "t": False}]
    properties = schema_of(rows)["properties"]
    inner = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "m": {"type": "array", "items": {}}},
        "required": ["n"],
        "additionalProperties": False,
    }
    assert properties["s"] == {"anyOf": [inner, {"type": "null"}]}
    assert properties["t"] == {"type": ["boolean", "null"]}


def test_values_of_every_form_are_left_open() -> None:
    assert schema_of([{"a": 1}, {"a": {"b": 1}}])["properties"]["a"] == {}
    assert schema_of([{"a": 1}, {"a": "x"}])["properties"]["a"] == {"type": ["integer", "string"]}
