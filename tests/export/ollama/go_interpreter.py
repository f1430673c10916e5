"""The part of Go's text/template that a Modelfile written here uses: enough to render it as Ollama does.

Actions: string constants, .Content, if, else if, else, end, range .Messages, $variables, and the functions eq, ne, not,
or and index on the messages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

Scope = dict[str, Any]


def render(template: str, messages: Sequence[Mapping[str, str]]) -> str:
    """The text that Ollama's runner would get."""
    parts = re.split(r"\{\{\s*((?:\"(?:\\.|[^\"\\])*\"|[^{}\"])*?)\s*\}\}", template)
    tokens = [(i % 2 == 1, part) for i, part in enumerate(parts) if part or i % 2]
    scope: Scope = {"Messages": [dict(m) for m in messages]}
    text, rest = _block(tokens, scope, scope, True)
    assert not rest, rest
    return text


def _block(tokens: list[tuple[bool, str]], dot: Scope, scope: Scope, runs: bool) -> tuple[str, list[tuple[bool, str]]]:
    """The text up to the block's else or end; the tokens from there on."""
    text = ""
    while tokens:
        is_action, word = tokens[0]
        if is_action and word.split()[0] in ("else", "end"):
            return text, tokens
        tokens = tokens[1:]
        if not is_action:
            text += word if runs else ""
        elif word.startswith("if "):
            part, tokens = _if(word[3:], tokens, dot, scope, runs)
            text += part
        elif word.startswith("range "):
            assert word == "range .Messages"
            each = scope["Messages"] if runs else []
            for message in each:
                part, _ = _block(tokens, message, scope, True)
                text += part
            _, tokens = _block(tokens, {}, scope, False)
            tokens = tokens[1:]
        elif runs and (found := re.fullmatch(r"(\$\w+)\s*:?=\s*(true|false)", word)):
            scope[found[1]] = found[2] == "true"
        elif runs and "=" not in re.sub(r'".*"', "", word):
            text += str(_value(word, dot, scope))
    return text, tokens


def _if(
    condition: str, tokens: list[tuple[bool, str]], dot: Scope, scope: Scope, runs: bool
) -> tuple[str, list[tuple[bool, str]]]:
    taken = runs and bool(_value(condition, dot, scope))
    text, tokens = _block(tokens, dot, scope, taken)
    word, tokens = tokens[0][1], tokens[1:]
    if word == "end":
        return text, tokens
    open_ = runs and not taken
    if word.startswith("else if "):
        part, tokens = _if(word[8:], tokens, dot, scope, open_)
        return text + part, tokens
    part, tokens = _block(tokens, dot, scope, open_)
    return text + part, tokens[1:]


def _value(expression: str, dot: Scope, scope: Scope) -> Any:
    words = re.findall(r"\"(?:\\.|[^\"\\])*\"|\((?:[^()]|\([^()]*\))*\)(?:\.\w+)?|\S+", expression)
    if len(words) > 1:
        values = [_value(w, dot, scope) for w in words[1:]]
        functions = {
            "eq": lambda a, b: a == b,
            "ne": lambda a, b: a != b,
            "not": lambda a: not a,
            "or": lambda *all_: next((v for v in all_ if v), all_[-1]),
            "index": lambda items, i: items[i] if items else {"Role": ""},
        }
        return functions[words[0]](*values)
    word = words[0]
    if word.startswith("("):
        inner, _, name = word.rpartition(")")
        found = _value(inner[1:], dot, scope)
        return found[name[1:]] if name else found
    if word.startswith('"'):
        return json.loads(word)
    if word.startswith("$"):
        return scope[word]
    if word.isdigit():
        return int(word)
    return dot.get(word[1:], scope.get(word[1:]))
