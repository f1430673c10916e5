"""domainkit.evaluation.fields.form"""

import pytest

from domainkit.errors import ConfigError
from domainkit.evaluation.fields.form import form_of, without_own_keywords

PERSON = {"type": "object", "properties": {"name": {"type": "string"}}}


def test_a_reference_and_a_choice_with_null_are_seen_through() -> None:
    schema = {
        "properties": {
            "a": {"$ref": "#/$defs/Person", "description": "the buyer"},
            "b": {"anyOf": [{"$ref": "#/$defs/Person"}, {"type": "null"}]},
            "c": {"type": ["integer", "null"], "x-tolerance": 1},
        },
        "required": ["a"],
        "$defs": {"Person": PERSON},
    }
    form = form_of(schema)
    assert [path for path, _ in form.paths()] == ["a", "a.name", "b", "b.name", "c"]
    assert form.of("a").required
    assert form.of("a").description == "the buyer"
    assert (form.of("c").type, form.of("c").tolerance, form.of("c").required) == ("number", 1.0, False)


def test_paths_go_into_lists() -> None:
    form = form_of({"properties": {"lines": {"type": "array", "items": PERSON}}})
    assert [path for path, _ in form.paths()] == ["lines", "lines[].name"]


def test_a_schema_inside_itself_ends() -> None:
    tree = {"properties": {"left": {"$ref": "#/$defs/T"}, "right": {"$ref": "#/$defs/T"}}}
    form = form_of({"$ref": "#/$defs/T", "$defs": {"T": tree}})
    assert [path for path, _ in form.paths()] == ["left", "right"]


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        ({"type": "array"}, "the schema is not one of an object with properties"),
        ({}, "the schema is not one of an object with properties"),
        ({"properties": ["a"]}, "is not an object"),
        ({"properties": {"a": 3}}, "3 is not a schema"),
        ({"properties": {"a": {"x-order": "ymd"}}}, "schema at #/properties/a/x-order: is 'ymd'"),
        ({"properties": {"a": {"x-tolerance": -1}}}, "schema at #/properties/a/x-tolerance: is -1"),
        ({"properties": {"a": {"$ref": "#/$defs/B"}}}, "refers to '#/$defs/B', which is not in the schema"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, "in a circle"),
    ],
)
def test_a_schema_that_cannot_be_meant_is_refused_at_its_place(schema: dict, what: str) -> None:
    with pytest.raises(ConfigError) as error:
        form_of(schema)
    assert what in str(error.value)
    assert error.value.next_step


def test_own_keywords_are_kept_from_the_grammar_and_fields_called_so_are_not() -> None:
    schema = {"x-null": "value", "properties": {"x-key": {"type": "array", "x-key": "id"}, "d": {"x-order": "dmy"}}}
    assert without_own_keywords(schema) == {"properties": {"x-key": {"type": "array"}, "d": {}}}
