"""Solved: the texts of one example, without the example: what a check of a million rows looks at."""

from __future__ import annotations

import re
from typing import NamedTuple

from domainkit.corpus.example import Example
from domainkit.messages import JsonObject

PLAIN_ROLES = ("user", "assistant")
_PLAIN_FORMS = (("input", "target"), ("prompt", "completion"))
_NEEDS_MORE = frozenset(("system", "tools", "doc_ids", "task", "id"))
"""Fields of a row that only `example_of` reads."""
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd<\\[]")


class Solved(NamedTuple):
    """A solved conversation as texts."""

    line: int
    """The line or row in its source, from 1."""
    roles: tuple[str, ...]
    contents: tuple[str, ...]
    question: str
    """The last user turn's."""
    target: str
    """The last turn's, its calls as JSON."""
    is_clean: bool
    """Whether no turn has a character that begins a control token, or that no text should have."""


def solved_of(example: Example) -> Solved:
    """The texts of an example."""
    contents = tuple([turn.content for turn in example.turns])
    roles = tuple([turn.role for turn in example.turns])
    clean = not any(map(_ODD.search, contents))
    return Solved(example.line or 0, roles, contents, example.question, example.target, clean)


def plain_solved(row: JsonObject, line: int) -> Solved | None:
    """The texts of a row that is a question and its answer and nothing more; None for any other row, and for one that
    is wrong: `example_of` reads it."""
    for asked, answered in _PLAIN_FORMS:
        if asked in row and answered in row:
            question, target = row[asked], row[answered]
            if type(question) is str and type(target) is str and _NEEDS_MORE.isdisjoint(row):
                if question.isspace() or target.isspace() or not question or not target:
                    return None
                clean = not (_ODD.search(question) or _ODD.search(target))
                return Solved(line, PLAIN_ROLES, (question, target), question, target, clean)
    return None
