"""docs/troubleshooting.md quotes errors as the code raises them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^### `(.+)`$", PAGE, re.M)
VALUE = "\0"
"""Stands for a value in an f-string."""
ENOUGH = 0.5
"""Share of a quoted text that must be the code's own words, not its values."""


_ONE = r"""(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
_LITERAL = re.compile(rf'#[^\n]*|""".*?"""|(?P<text>(?:\b[rf]{{1,2}})?{_ONE}(?:\s*f?{_ONE})*)', re.S)
"""Comments and docstrings, to pass over them, and texts with those that follow at once. Parsing would take seconds."""


def texts(source: str) -> Iterator[str]:
    for match in _LITERAL.finditer(source):
        if match["text"]:
            whole = "".join(piece[1:-1] for piece in re.findall(_ONE, match["text"]))
            yield re.sub(r"\{[^{}]*\}", VALUE, whole)


@cache
def raised() -> frozenset[str]:
    files = [file for top in ("domainkit", "chains") for file in (ROOT / top).rglob("*.py")]
    return frozenset(text for file in files for text in texts(file.read_text(encoding="utf-8")) if " " in text)


def is_raised(quoted: str, sources: frozenset[str]) -> bool:
    """Whether some text of the sources reads as quoted, with values in its places."""
    for text in sources:
        words = text.split(VALUE)
        own = sum(map(len, words))
        possible = ENOUGH * len(quoted) <= own <= len(quoted) and max(words, key=len) in quoted
        if possible and re.fullmatch(".*?".join(map(re.escape, words)), quoted):
            return True
    return False


@pytest.mark.parametrize("quoted", QUOTED)
def test_the_quoted_error_is_raised(quoted: str) -> None:
    assert is_raised(quoted, raised())


def test_an_error_that_is_not_raised_is_found() -> None:
    sources = frozenset({f"no such {VALUE}", f"{VALUE} {VALUE}"})
    assert is_raised("no such folder", sources)
    assert not is_raised("no folder of that name", sources)


def test_every_error_says_why_and_what_to_do() -> None:
    sections = re.split(r"^### ", PAGE, flags=re.M)[1:]
    assert len(QUOTED) == len(set(QUOTED)) == len(sections)
    assert not [s.splitlines()[0] for s in sections if "**Why.**" not in s or "**Do.**" not in s]


def test_texts_are_read_with_those_that_follow_and_without_comments() -> None:
    source = '# "a comment"\nraise Error(\n    f"no {thing} in "\n    "the folder", x="a b")'
    assert [*texts(source)] == [f"no {VALUE} in the folder", "a b"]
