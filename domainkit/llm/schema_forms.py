"""A schema in any of the forms that LangChain's users pass, as JSON schema."""

from __future__ import annotations

import inspect
import json
from typing import Any, NamedTuple

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema
from typing_extensions import is_typeddict

from domainkit.errors import ConfigError
from domainkit.messages import JsonObject

KEYWORDS = (
    *("type", "enum", "const", "anyOf", "oneOf", "allOf", "not", "if", "$ref", "$dynamicRef", "format", "pattern"),
    *("properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties"),
    *("items", "prefixItems", "contains", "minItems", "maxItems", "uniqueItems"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
)
"""Keywords of which a JSON schema has at least one; without any, it holds an answer to nothing."""
WRAPPERS = ("json_schema", "function", "schema", "input_schema", "parameters")
"""Under these keys, OpenAI's and Anthropic's forms hold the schema, or a form that holds it."""


class AnswerSchema(NamedTuple):
    """A schema as it was meant."""

    schema: JsonObject
    """JSON schema."""
    name: str
    description: str
    strict: bool | None
    """What the form said; None where it said nothing."""
    type: Any = None  # what TypeAdapter takes: classes, unions, enums, list[int], …
    """The Python type that an answer becomes; None leaves it JSON."""


class _Generator(GenerateJsonSchema):
    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonObject:
        """A number alone: pydantic also allows any text, which a model then writes."""
        return {k: v for k, v in super().decimal_schema(schema).items() if k != "anyOf"} | {"type": "number"}


def read_schema(given: object) -> AnswerSchema:
    """Raises ConfigError for what is not a schema, and for one that says nothing."""
    found = _read_dict(given) if isinstance(given, dict) else _read_type(given)
    if not any(k in found.schema for k in KEYWORDS):
        raise _no_schema(given, "says nothing about the answer")
    try:
        json.dumps(found.schema)
    except (TypeError, ValueError, RecursionError) as e:
        raise _no_schema(given, f"is not JSON ({e})") from e
    return found


def _read_dict(given: JsonObject) -> AnswerSchema:
    schema, name, description, strict = given, given.get("title"), given.get("description"), None
    while True:
        strict = schema.get("strict", strict)
        name, description = schema.get("name", name), schema.get("description", description)
        if schema.get("type") == "json_object":
            schema = {"type": "object"}
        inner = next((schema[k] for k in WRAPPERS if k in schema and _is_wrapper(schema)), None)
        if inner is None:
            break
        if not isinstance(inner, dict):
            return read_schema(inner)._replace(strict=strict)
        schema = inner
    name, description = schema.get("title", name), schema.get("description", description)
    schema = {k: v for k, v in schema.items() if k not in ("name", "strict")}
    return AnswerSchema(schema, str(name or "answer"), str(description or ""), strict)


def _is_wrapper(form: JsonObject) -> bool:
    """Whether a form only holds a schema. A schema of its own may have any of the wrappers' keys."""
    if form.get("type") in ("json_schema", "function"):
        return True
    return not any(k in form for k in KEYWORDS) and any(isinstance(form.get(k), dict | type) for k in WRAPPERS)


def _read_type(given: Any) -> AnswerSchema:
    """Of a Python type, function or tool."""
    if is_typeddict(given) or isinstance(given, BaseTool) or inspect.isroutine(given) or is_old_model(given):
        # LangChain's own reading; the answer stays JSON.
        schema = _converted(given)
        kind = given if is_old_model(given) else None
        return AnswerSchema(schema, str(schema.get("title", "answer")), str(schema.get("description", "")), None, kind)
    if isinstance(given, str | bytes | list | tuple | int | float | None):
        raise _no_schema(given, "is not a schema")
    try:
        schema = TypeAdapter(given).json_schema(schema_generator=_Generator)
    except (PydanticUserError, NameError, TypeError, ValueError) as e:
        raise _no_schema(given, f"is not a schema ({str(e).splitlines()[0]})") from e
    name = getattr(given, "__name__", "answer")
    return AnswerSchema(schema, str(name), str(schema.get("description", "")), None, given)


def is_old_model(given: object) -> bool:
    """A class of pydantic 1, which pydantic 2 has no adapter for."""
    return isinstance(given, type) and is_basemodel_subclass(given) and not issubclass(given, BaseModel)


def _converted(given: Any) -> JsonObject:
    try:
        return convert_to_json_schema(given)
    except (ValueError, TypeError, AttributeError) as e:
        raise _no_schema(given, f"is not a schema ({str(e).splitlines()[0]})") from e


def _no_schema(given: object, what: str) -> ConfigError:
    return ConfigError(
        f"this {what}: {str(given)[:120]}",
        where="the schema of an answer",
        next_step='give a type, or a JSON schema: {"type": "object", "properties": {"age": {"type": "integer"}}}',
    )


def recursive_parameters(tool: object) -> JsonObject | None:
    """The JSON schema of a tool's arguments where they hold themselves, which LangChain's own form leaves out."""
    model = getattr(tool, "args_schema", tool)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return None
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    return schema if any(_reaches(name, name, definitions, set()) for name in definitions) else None


def _reaches(start: str, wanted: str, definitions: JsonObject, seen: set[str]) -> bool:
    text = json.dumps(definitions[start])
    nexts = {n for n in definitions if f'"#/$defs/{n}"' in text} - seen
    return wanted in nexts or any(_reaches(n, wanted, definitions, seen | nexts) for n in nexts)
