"""Structured output: what a schema asks of a call, and the parser that holds the answer to it."""

from __future__ import annotations

import json
from typing import Any, Literal, get_args

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.json import parse_partial_json
from pydantic import BaseModel, TypeAdapter

from domainkit.errors import ConfigError
from domainkit.inference.constrained.schema_check import schema_violation
from domainkit.llm.schema_forms import AnswerSchema, is_old_model, read_schema
from domainkit.messages import JsonObject
from domainkit.registry import suggestion

Schema = Any  # a JSON schema in any of the usual forms, or what pydantic's TypeAdapter takes
Method = Literal["json_schema", "function_calling", "json_mode"]
StructuredAnswer = JsonObject | BaseModel
WRAPPED = "answer"
"""The one argument of a tool call that stands for an answer which is not an object."""


def wanted_schema(schema: Schema, method: str) -> AnswerSchema:
    """Raises ConfigError for an unknown method, and for what is not a schema."""
    if method not in get_args(Method):
        raise ConfigError(
            f"unknown method '{method}' of structured output", next_step=suggestion(str(method), get_args(Method))
        )
    return read_schema({"type": "json_object"} if schema is None and method == "json_mode" else schema)


def as_tool(wanted: AnswerSchema) -> JsonObject:
    """The tool whose arguments are the answer."""
    schema = wanted.schema
    if not _is_object(schema):
        if '"$ref": "#"' in json.dumps(schema):
            raise ConfigError(
                "a schema that refers to itself by '#' must be an object to be a tool's arguments",
                next_step="use method='json_schema', or name it under $defs",
            )
        definitions = {"$defs": schema["$defs"]} if "$defs" in schema else {}
        inner = {k: v for k, v in schema.items() if k != "$defs"}
        schema = {**definitions, "type": "object", "properties": {WRAPPED: inner}, "required": [WRAPPED]}
    function = {"name": wanted.name, "description": wanted.description, "parameters": schema}
    return {"type": "function", "function": function}


def _is_object(schema: JsonObject) -> bool:
    if "$ref" in schema:
        return _is_object(schema.get("$defs", {}).get(str(schema["$ref"]).removeprefix("#/$defs/"), {}))
    return schema.get("type") == "object" or ("properties" in schema and "type" not in schema)


def parsed(
    bound: Runnable[LanguageModelInput, AIMessage], wanted: AnswerSchema, *, from_call: bool, include_raw: bool
) -> Runnable[LanguageModelInput, StructuredAnswer]:
    """`bound`'s answers as what the schema describes; with `include_raw` as raw, parsed and parsing_error."""
    parser = AnswerParser(wanted=wanted, from_call=from_call)
    if not include_raw:
        return bound | parser
    parse = RunnablePassthrough.assign(parsed=lambda x: parser.invoke(x["raw"]), parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=bound) | parse.with_fallbacks([failed], exception_key="parsing_error")


class AnswerParser(BaseCumulativeTransformOutputParser[Any]):  # Any: whatever the schema describes
    """An answer's JSON, or the arguments of its call, as the schema's type. Raises OutputParserException for any
    other."""

    wanted: AnswerSchema
    from_call: bool

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> object:
        try:
            return self._checked(self._value(result[0], partial))
        except OutputParserException:
            if partial:  # it still grows
                return None
            raise

    def parse(self, text: str) -> object:
        return self.parse_result([Generation(text=text)])

    def _value(self, answer: Generation, partial: bool) -> object:
        if not self.from_call:
            try:
                return parse_partial_json(answer.text) if partial else json.loads(answer.text)
            except (ValueError, RecursionError) as e:
                raise _wrong(f"not JSON ({e})", answer.text) from e
        message = answer.message if isinstance(answer, ChatGeneration) else AIMessage("")
        calls = message.tool_calls if isinstance(message, AIMessage) else []
        if not calls:
            reasons = "; ".join(str(c["error"]) for c in getattr(message, "invalid_tool_calls", ()) if c["error"])
            raise _wrong(f"no whole call of '{self.wanted.name}'{reasons and ': '}{reasons}", answer.text)
        arguments = calls[0]["args"]
        return arguments if _is_object(self.wanted.schema) else arguments.get(WRAPPED)

    def _checked(self, value: object) -> object:
        if self.wanted.type is None:
            if violation := schema_violation(value, self.wanted.schema):
                raise _wrong(violation, json.dumps(value))
            return value
        try:
            if is_old_model(self.wanted.type):
                return self.wanted.type.parse_obj(value)
            # As JSON: a set is written as an array there, a date as a string.
            return TypeAdapter(self.wanted.type).validate_json(json.dumps(value))
        except ValueError as e:  # of pydantic 1 and 2
            raise _wrong(str(e), json.dumps(value)) from e


def _wrong(why: str, text: str) -> OutputParserException:
    return OutputParserException(f"the answer does not fit the schema: {why}\nanswer: {text[:500]}", llm_output=text)
