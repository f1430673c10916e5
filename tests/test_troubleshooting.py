"""docs/troubleshooting.md quotes errors as the code raises them."""

from __future__ import annotations

import ast
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


def texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(v.value) if isinstance(v, ast.Constant) else VALUE for v in node.values)


@cache
def raised() -> frozenset[str]:
    files = [file for top in ("domainkit", "chains") for file in (ROOT / top).rglob("*.py")]
    found = {text for file in files for text in texts(ast.parse(file.read_text(encoding="utf-8"))) if " " in text}
    return frozenset(
        found | set(re.findall(r'echo "([^"]*?)\.? Next: ', (ROOT / "Makefile").read_text(encoding="utf-8")))
    )


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
