"""Every form of a schema that LangChain's users pass is read as it was meant; what holds an answer to nothing is
refused."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Optional, TypedDict

import pytest
from pydantic import BaseModel, Field, RootModel

from domainkit.errors import ConfigError
from domainkit.llm.schema_forms import read_schema

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


class Person(BaseModel):
    """A person."""

    age: int


class Form(TypedDict):
    """A form."""

    age: int


@dataclass
class Record:
    """A record."""

    age: int


class Colour(enum.Enum):
    """A colour."""

    red = "red"
    blue = "blue"


class Ages(RootModel[list[int]]):
    """Only a list."""


class Node(BaseModel):
    """Holds itself."""

    kids: list[Node] = Field(max_length=2)


@pytest.mark.parametrize("given", [SCHEMA, Person, Form, Record])
def test_an_object_in_every_form(given: Any) -> None:
    found = read_schema(given).schema
    assert found["properties"]["age"]["type"] == "integer"
    assert found["required"] == ["age"]


@pytest.mark.parametrize(
    "wrapped",
    [
        {"name": "p", "strict": True, "schema": SCHEMA},
        {"type": "json_schema", "json_schema": {"name": "p", "strict": True, "schema": SCHEMA}},
        {"type": "json_schema", "name": "p", "strict": True, "schema": SCHEMA},
        {"type": "function", "function": {"name": "p", "strict": True, "parameters": SCHEMA}},
        {"name": "p", "strict": True, "input_schema": SCHEMA},
        {"name": "p", "strict": True, **SCHEMA},
        {"name": "p", "strict": True, "schema": Person},
    ],
)
def test_the_forms_of_other_providers_hold_the_same_schema(wrapped: Any) -> None:
    found = read_schema(wrapped)
    assert found.schema["properties"]["age"]["type"] == "integer"
    assert found.strict is True
    assert found.name == "p" or found.type is Person


@pytest.mark.parametrize(
    ("given", "schema"),
    [
        (Colour, {"enum": ["red", "blue"]}),
        (Literal["a", "b"], {"enum": ["a", "b"]}),
        (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}),  # noqa: UP045 as users write it
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (Ages, {"type": "array", "items": {"type": "integer"}}),
        (Decimal, {"type": "number"}),
        (Path, {"type": "string", "format": "path"}),
        ({"enum": ["red", "blue"]}, {"enum": ["red", "blue"]}),
        ({"type": "json_object"}, {"type": "object"}),
        ({"anyOf": [SCHEMA, {"type": "null"}]}, {"anyOf": [SCHEMA, {"type": "null"}]}),
    ],
)
def test_answers_that_are_no_objects(given: Any, schema: dict[str, Any]) -> None:
    assert schema.items() <= read_schema(given).schema.items()


def test_a_recursive_class_keeps_its_recursion() -> None:
    found = read_schema(Node).schema
    assert found["$defs"]["Node"]["properties"]["kids"]["items"] == {"$ref": "#/$defs/Node"}


def test_a_property_may_be_named_like_a_wrapper() -> None:
    own = {"type": "object", "properties": {"schema": {"type": "string"}, "function": {"type": "string"}}}
    assert read_schema(own).schema == own


@pytest.mark.parametrize("given", [{}, {"title": "x"}, {"age": {"type": "integer"}}, {"schema": {}}, object, Any])
def test_a_schema_that_says_nothing_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"says nothing about the answer[\s\S]*give a type, or a JSON schema"):
        read_schema(given)


@pytest.mark.parametrize("given", [None, "Person", 3, True, [Person], [SCHEMA], {"type": int}, Person(age=1)])
def test_what_is_no_schema_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match="is not"):
        read_schema(given)
