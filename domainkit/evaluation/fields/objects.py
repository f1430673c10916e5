"""The JSON object that a text holds: a target, or an answer with what a model likes to write around it."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from domainkit.messages import JsonObject
from domainkit.storage import parse_json, parse_json_at

_FENCED = re.compile(r"```[\w-]*\s*\n?(.*?)```", re.DOTALL)
MOST_TRIES = 50
"""Opening braces from which an object is looked for."""


class Found(NamedTuple):
    """What a text holds."""

    fields: JsonObject | None
    """None where no JSON object is in it."""
    alone: bool = False
    """Whether it is the whole text, apart from a code fence."""


def find_object(text: str) -> Found:
    """The object that is the text, or that stands in a code fence; else the first one in it. The same leniency for
    every variant."""
    whole = _object(text)
    if whole is not None:
        return Found(whole, alone=True)
    for fence in _FENCED.finditer(text):
        fenced = _object(fence[1])
        if fenced is not None:
            return Found(fenced, alone=fence[0].strip() == text.strip())
    for opening in list(re.finditer(r"\{", text))[:MOST_TRIES]:
        try:
            value, _ = parse_json_at(text, opening.start())
        except ValueError:
            continue
        if isinstance(value, dict):
            return Found(value)
    return Found(None)


def parse_list(text: str) -> list[object] | None:
    """The JSON list that is the text, or stands in a code fence; None for any other text."""
    fence = _FENCED.fullmatch(text.strip())
    try:
        value = parse_json((fence[1] if fence else text).strip())
    except ValueError:
        return None
    return value if isinstance(value, list) else None


def _object(text: str) -> JsonObject | None:
    try:
        value = parse_json(text.strip())
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def written(value: object) -> str:
    """The one text of a JSON value: what is learnt, and what a grammar makes of it."""
    return json.dumps(value, ensure_ascii=False)
