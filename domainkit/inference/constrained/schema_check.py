"""Whether a JSON value fits a JSON schema: for what a grammar cannot hold, checked on the whole answer. Pure.

The keywords are those of JSON Schema 2020-12 that a value can be checked with alone. Unknown keywords and formats hold.
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from domainkit.messages import JsonObject

Rule = Callable[[Any, Any], bool]
"""(value, what the keyword gives) -> whether it is kept. Any: each keyword has types of its own."""
_TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda v: v is None,
    "boolean": lambda v: isinstance(v, bool),
    "number": lambda v: _is_number(v),
    "integer": lambda v: _is_number(v) and v == int(v),
    "string": lambda v: isinstance(v, str),
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
}
_FORMATS: dict[str, Callable[[str], object]] = {
    "date": date.fromisoformat,
    "date-time": datetime.fromisoformat,
    "time": time.fromisoformat,
    "uuid": uuid.UUID,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "regex": re.compile,
}


def schema_violation(value: object, schema: JsonObject) -> str | None:
    """The first rule of `schema` that a JSON value breaks, with its place; None when it fits."""
    try:
        return next(_violations(value, schema, schema, ""), None)
    except RecursionError:
        return "it is nested too deeply to be checked"


def _violations(value: object, schema: object, root: JsonObject, place: str) -> Iterator[str]:
    if schema is False:
        yield f"{place or '/'} is not allowed"
    if not isinstance(schema, dict):
        return
    for keyword, rule in schema.items():
        if keyword in _RULES and not _RULES[keyword](value, rule):
            yield f"{place or '/'} breaks '{keyword}': {str(rule)[:80]}"
    yield from _broken_parts(value, schema, root, place)
    yield from _broken_logic(value, schema, root, place)


def _fits(value: object, schema: object, root: JsonObject) -> bool:
    return next(_violations(value, schema, root, ""), None) is None


# ---- one value -------------------------------------------------------------------------------------------------------


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(a: object, b: object) -> bool:
    """JSON's equality: 1 is 1.0, and true is not 1."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def _has_type(value: object, types: object) -> bool:
    names = types if isinstance(types, list) else [types]
    return any(_TYPES[name](value) for name in names if name in _TYPES)


def _has_format(value: str, name: str) -> bool:
    try:
        _FORMATS.get(name, str)(value)
    except (ValueError, re.error):
        return False
    return True


def _matches(value: str, pattern: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:  # a form that Python's engine does not know
        return True


def _is_multiple(value: float, step: float) -> bool:
    try:
        return Decimal(str(value)) % Decimal(str(step)) == 0
    except InvalidOperation:
        return True


def _only(kind: type | tuple[type, ...], rule: Rule) -> Rule:
    """`rule` for values of one kind; others keep it."""
    return lambda value, given: isinstance(value, bool) or not isinstance(value, kind) or rule(value, given)


_NUMBERS = (int, float)
_RULES: dict[str, Rule] = {
    "type": _has_type,
    "enum": lambda v, options: any(_same(v, o) for o in options),
    "const": _same,
    "minimum": _only(_NUMBERS, lambda v, least: v >= least),
    "maximum": _only(_NUMBERS, lambda v, most: v <= most),
    "exclusiveMinimum": _only(_NUMBERS, lambda v, bound: v > bound),
    "exclusiveMaximum": _only(_NUMBERS, lambda v, bound: v < bound),
    "multipleOf": _only(_NUMBERS, _is_multiple),
    "minLength": _only(str, lambda v, least: len(v) >= least),
    "maxLength": _only(str, lambda v, most: len(v) <= most),
    "pattern": _only(str, _matches),
    "format": _only(str, _has_format),
    "minItems": _only(list, lambda v, least: len(v) >= least),
    "maxItems": _only(list, lambda v, most: len(v) <= most),
    "uniqueItems": _only(list, lambda v, on: not on or not any(_same(x, y) for i, x in enumerate(v) for y in v[:i])),
    "required": _only(dict, lambda v, names: all(n in v for n in names)),
    "minProperties": _only(dict, lambda v, least: len(v) >= least),
    "maxProperties": _only(dict, lambda v, most: len(v) <= most),
    "dependentRequired": _only(dict, lambda v, needs: all({*n} <= {*v} for k, n in needs.items() if k in v)),
}

# ---- parts and combinations ------------------------------------------------------------------------------------------


def _broken_parts(value: object, schema: JsonObject, root: JsonObject, place: str) -> Iterator[str]:
    if isinstance(value, list):
        first = schema.get("prefixItems") or []
        for i, item in enumerate(value):
            yield from _violations(item, first[i] if i < len(first) else schema.get("items"), root, f"{place}/{i}")
        if "contains" in schema:
            found = sum(_fits(item, schema["contains"], root) for item in value)
            if not schema.get("minContains", 1) <= found <= schema.get("maxContains", len(value)):
                yield f"{place or '/'} breaks 'contains': {found} items fit"
    if isinstance(value, dict):
        for name, item in value.items():
            if "propertyNames" in schema and not _fits(name, schema["propertyNames"], root):
                yield f"{place}/{name} breaks 'propertyNames'"
            for rule in _property_rules(name, schema):
                yield from _violations(item, rule, root, f"{place}/{name}")
        for name, rule in (schema.get("dependentSchemas") or {}).items():
            if name in value:
                yield from _violations(value, rule, root, place)


def _property_rules(name: str, schema: JsonObject) -> list[object]:
    rules = [r for n, r in (schema.get("properties") or {}).items() if n == name]
    rules += [r for p, r in (schema.get("patternProperties") or {}).items() if _matches(name, p)]
    return rules or [schema.get("additionalProperties")]


def _broken_logic(value: object, schema: JsonObject, root: JsonObject, place: str) -> Iterator[str]:
    if "$ref" in schema:
        yield from _violations(value, _resolve(str(schema["$ref"]), root), root, place)
    for rule in schema.get("allOf") or ():
        yield from _violations(value, rule, root, place)
    for keyword, good in (("anyOf", lambda n: n >= 1), ("oneOf", lambda n: n == 1)):
        if keyword in schema:
            fitting = sum(_fits(value, rule, root) for rule in schema[keyword])
            if not good(fitting):
                yield f"{place or '/'} breaks '{keyword}': it fits {fitting} of its {len(schema[keyword])} schemas"
    if "not" in schema and _fits(value, schema["not"], root):
        yield f"{place or '/'} breaks 'not': {str(schema['not'])[:80]}"
    if "if" in schema:
        branch = "then" if _fits(value, schema["if"], root) else "else"
        yield from _violations(value, schema.get(branch), root, place)


def _resolve(reference: str, root: JsonObject) -> object:
    """The schema that a reference within the same document names; True, which anything fits, for any other."""
    if not reference.startswith("#"):
        return True
    found: object = root
    for part in filter(None, reference[1:].split("/")):
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name, True) if isinstance(found, dict) else True
    return found


__all__ = ["schema_violation"]
