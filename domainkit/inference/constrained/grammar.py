"""A request's constraint as grammar text for llguidance: JSON schema, regular expression, tool calls.

Syntax: llguidance's Lark dialect (guidance-ai/llguidance, docs/syntax.md). A `%json` rule holds a JSON schema. Tool
calls are written as `domainkit.messages` reads them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from llguidance import LLMatcher

from domainkit.errors import RequestError
from domainkit.messages import CALL_CLOSE, CALL_OPEN, JsonObject, function_of, tool_name

# One fixed spacing, that of json.dumps: models write it most often, and a small model cannot fill its tokens with
# blanks.
SPACING = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}

_SCHEMA_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_SCHEMAS = ("items", "prefixItems", "additionalProperties", "anyOf", "oneOf", "allOf", "not", "if", "then", "else")


def schema_grammar(schema: JsonObject) -> str:
    """Exactly one JSON value of `schema`."""
    return f"start: {_json_rule(schema)}\n"


def choice_grammar(choices: Sequence[str]) -> str:
    """Exactly one of the texts."""
    return f"start: {' | '.join(map(_quoted, choices))}\n"


def call_grammar(tools: Sequence[JsonObject]) -> str:
    """Exactly one call, of one of `tools`, and nothing else."""
    return f"start: {_quoted(CALL_OPEN)} call\n{_call_rules(tools)}"


def auto_grammar(tools: Sequence[JsonObject], schema: JsonObject | None = None, *, parallel: bool = True) -> str:
    """Free text, or free text and then calls, one at most unless `parallel`. With `schema`, one JSON value of it is
    written in place of the free text."""
    more = f"({_quoted(chr(10) + CALL_OPEN)} call)*" if parallel else ""
    if schema is not None:
        return f"start: answer | {_quoted(CALL_OPEN)} call {more}\nanswer: {_json_rule(schema)}\n{_call_rules(tools)}"
    # `head` ends at the first marker. TEXT excludes the marker, else free text could continue past it.
    head = f"head[lazy]: /(?s:.*){CALL_OPEN}/\nTEXT: /(?s:.*)/ & ~/(?s:.*){CALL_OPEN}(?s:.*)/\n"
    return f"start: TEXT | head call {more}\n{head}{_call_rules(tools)}"


def relaxed(schema: JsonObject) -> JsonObject:
    """`schema` without what llguidance cannot hold; every answer that fits `schema` fits this, too."""
    lenient = {**schema.get("x-guidance", {}), "lenient": True, "coerce_one_of": True}
    return {**_without_refused_patterns(schema), "x-guidance": lenient}


def _without_refused_patterns(schema: Any) -> Any:  # any JSON value
    if isinstance(schema, list):
        return [_without_refused_patterns(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {k: _without_refused_patterns(v) for k, v in schema.items()}
    if isinstance(kept.get("pattern"), str) and _is_refused(kept["pattern"]):
        del kept["pattern"]
    patterns = kept.get("patternProperties")
    if isinstance(patterns, dict) and any(map(_is_refused, patterns)):
        del kept["patternProperties"]
        kept.pop("additionalProperties", None)  # it would forbid what the patterns allow
    return kept


def _is_refused(pattern: str) -> bool:
    return bool(LLMatcher.validate_grammar(LLMatcher.grammar_from_regex(pattern)))


def refused_places(schemas: Sequence[tuple[str, JsonObject]], reason: str) -> list[tuple[str, str]]:
    """(keyword, its place) of each keyword that llguidance's message says it cannot hold."""
    return [
        (word, f"{label} at {pointer}")
        for word in _refused_words(reason)
        for label, schema in schemas
        for pointer in _pointers(schema, word)
    ]


def schema_error(schemas: Sequence[tuple[str, JsonObject]], reason: str) -> RequestError:
    """The error for a schema that llguidance refuses: it names the keyword and its place in the schema."""
    first = reason.strip().splitlines()[0] if reason.strip() else "unknown reason"
    for word, place in refused_places(schemas, reason):
        return RequestError(
            f"the JSON schema uses '{word}', which cannot be enforced while generating ({first})",
            where=place,
            next_step=f"remove '{word}' from the schema and check it on the parsed answer",
        )
    return RequestError(
        f"the JSON schema cannot be enforced: {first}",
        where=", ".join(label for label, _ in schemas) or None,
        next_step="simplify the schema at that point, or check that part on the parsed answer",
    )


def regex_error(regex: str, reason: str) -> RequestError:
    """The error for a regular expression that llguidance refuses: it names the position, counted from 0."""
    error = re.search(r"error: (.+)", reason) or re.search(r"\(in regex\): (.+?)(?: in regex|\n|$)", reason)
    caret = re.search(r"^    ( *)\^", reason, re.MULTILINE)
    where = f"regex at position {len(caret[1])}" if caret and "error:" in reason else "regex"
    excerpt = regex if len(regex) <= 80 else regex[:77] + "…"
    return RequestError(
        f"{excerpt!r} cannot be enforced: {error[1] if error else reason.strip().splitlines()[0]}",
        where=where,
        next_step="write it without look-around, back-references and word boundaries; it always matches the whole text",
    )


def _call_rules(tools: Sequence[JsonObject]) -> str:
    """Rules for `call`: what follows the opening marker."""
    if not tools:
        raise RequestError("a tool call is required, but the request has no tools", next_step="bind at least one tool")
    either = " | ".join(f"call_{i}" for i in range(len(tools)))
    rules = [f"call: {_quoted(chr(10))} ({either}) {_quoted(chr(10) + CALL_CLOSE)}"]
    for i, tool in enumerate(tools):
        opening = f'{{"name": {json.dumps(tool_name(tool), ensure_ascii=False)}, "arguments": '
        rules.append(f"call_{i}: {_quoted(opening)} arguments_{i} {_quoted('}')}")
        rules.append(f"arguments_{i}: {_json_rule(arguments_schema(tool))}")
    return "\n".join(rules) + "\n"


def arguments_schema(tool: JsonObject) -> JsonObject:
    """The JSON schema of a tool's arguments; a tool without a schema takes no arguments."""
    parameters = function_of(tool).get("parameters") or {"properties": {}}
    return {**parameters, "type": "object"}


def _json_rule(schema: JsonObject) -> str:
    guided = {**_closed(schema), "x-guidance": {**SPACING, **schema.get("x-guidance", {})}}
    return f"%json {json.dumps(guided)}"


def _closed(schema: JsonObject) -> JsonObject:
    """`schema` with its objects limited to the properties they list.

    By default JSON schema allows any further property, and a small model continues to invent them. The limited schema
    allows a subset, so every answer fits the original schema too. Schemas that intersect are left as they are: each
    would forbid the other's properties.
    """
    if any(_intersects(s) for s in _subschemas(schema)):
        return schema
    return _close(schema)


def _close(schema: Any) -> Any:  # any JSON value
    if isinstance(schema, list):
        return [_close(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    closed = dict(schema)
    for key in _SCHEMAS:
        if key in closed:
            closed[key] = _close(closed[key])
    for key in _SCHEMA_MAPS:
        if isinstance(closed.get(key), dict):
            closed[key] = {name: _close(s) for name, s in closed[key].items()}
    if "properties" in closed and "patternProperties" not in closed:
        closed.setdefault("additionalProperties", False)
    return closed


def _intersects(schema: JsonObject) -> bool:
    combined = [k for k in ("allOf", "anyOf", "oneOf", "$ref") if k in schema]
    return bool(combined) and ("properties" in schema or len(combined) > 1 or len(schema.get("allOf", ())) > 1)


def _subschemas(schema: object) -> Iterator[JsonObject]:
    if isinstance(schema, list):
        for s in schema:
            yield from _subschemas(s)
    elif isinstance(schema, dict):
        yield schema
        for key in _SCHEMAS:
            yield from _subschemas(schema.get(key))
        for key in _SCHEMA_MAPS:
            yield from _subschemas(list((schema.get(key) or {}).values()))


def _refused_words(reason: str) -> list[str]:
    """The keywords or values that llguidance's message names, the most specific first."""
    listed = re.search(r"Unimplemented keys: (\[.*?\])", reason)
    if listed:
        return [str(w) for w in json.loads(listed[1])]
    if "format" in reason:
        return ["format"]
    if "oneOf" in reason:
        return ["oneOf"]
    if "regex parse error" in reason or "look-around" in reason or "lookaround" in reason:
        return ["pattern"]
    return [w for w in ("$ref", "enum", "const") if w in reason]


def _pointers(schema: object, word: str, pointer: str = "#") -> Iterator[str]:
    """JSON pointers to every key `word` in `schema`."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            here = f"{pointer}/{key}"
            if key == word:
                yield here
            yield from _pointers(value, word, here)
    elif isinstance(schema, list):
        for i, value in enumerate(schema):
            yield from _pointers(value, word, f"{pointer}/{i}")


def _quoted(text: str) -> str:
    # The text is already JSON or a marker, so it holds no control character but the newline.
    return json.dumps(text, ensure_ascii=False)
