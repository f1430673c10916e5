"""JSON texts of strangers: what could not be carried on is refused."""

from __future__ import annotations

import json
import math
import re
from typing import Any

JsonObject = dict[str, Any]
"""A JSON object: tool descriptions, schemas, arguments, cards, bodies of HTTP requests. Its values are whatever JSON
holds, and each reader says what it expects."""
MAX_DEPTH = 100
"""Levels of nesting in a JSON text. Libraries that read the value later stop at 255 or at Python's recursion limit."""
MAX_DIGITS = 300
"""Of an integer in JSON; a larger one overflows every float that it is compared with."""


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError for text that is not JSON, has a field twice or a number that is too
    large, is nested more than MAX_DEPTH levels deep, or holds half of a surrogate pair, which no file could carry on.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    value, end = parse_json_at(text, len(text) - len(text.lstrip(_SPACE)))
    if end < len(text) and text[end:].strip(_SPACE):
        rest = text[end:]
        raise json.JSONDecodeError("Extra data", text, end + len(rest) - len(rest.lstrip(_SPACE)))
    return value


def parse_json_at(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends. Raises ValueError as `parse_json` does."""
    try:
        value, end = _DECODER.raw_decode(text, start)
    except RecursionError:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep") from None
    if text.count("[", start, end) + text.count("{", start, end) > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    if _HALF_PAIR.search(text, start, end):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as e:
            half = e.object[e.start]
            raise ValueError(f"it holds half of a surrogate pair (\\u{ord(half):04x}), which is not a character") from e
    return value, end


def _fields(pairs: list[tuple[str, object]]) -> JsonObject:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice = next(name for i, (name, _) in enumerate(pairs) if name in dict(pairs[:i]))
        raise ValueError(f"the field '{twice}' appears twice")
    return fields


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number[:40]} is {'not a JSON value' if number[-1].isalpha() else 'too large'}")
    return value


def _integer(number: str) -> int:
    if len(number) > MAX_DIGITS:
        raise ValueError(f"{number[:20]}… has {len(number):,} digits; at most {MAX_DIGITS} are read")
    return int(number)


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level:
        level = [v for x in level if isinstance(x, dict | list) for v in (x.values() if isinstance(x, dict) else x)]
        depth += 1
    return depth


_SPACE = " \t\n\r"
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
_DECODER = json.JSONDecoder(object_pairs_hook=_fields, parse_constant=_finite, parse_float=_finite, parse_int=_integer)
