"""The text of run.toml: each setting below a comment with what was found, why this was chosen, and what else it could
be."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from domainkit.visible import visible

WIDTH = 110
"""Of a comment's lines."""


@dataclass(frozen=True)
class Setting:
    """One line of the file, with what stands above it."""

    key: str
    value: object
    """Text, number, truth value, list or table of these. None: the line is a comment, as `example` writes it."""
    comments: tuple[str, ...]
    """One paragraph each."""
    table: str = ""
    """The name of its table; "" for the settings above all tables."""
    example: str = ""
    """The value that a commented line shows."""


def text_of(settings: Sequence[Setting], head: Sequence[str], tables: Mapping[str, str]) -> str:
    """The file. `head` are the paragraphs above it, `tables` the paragraph above each table."""
    lines = [*_comment(head), ""]
    for table in ("", *tables):
        inside = [s for s in settings if s.table == table]
        if not inside:
            continue
        if table:
            commented = all(s.value is None for s in inside)
            lines += [*_comment([tables[table]]), f"# [{table}]" if commented else f"[{table}]"]
        for setting in inside:
            lines += [*_comment(setting.comments), _line(setting), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _line(setting: Setting) -> str:
    if setting.value is None:
        return f"# {setting.key} = {setting.example}"
    return f"{setting.key} = {toml_value(setting.value)}"


def toml_value(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, str):
        # JSON's escapes are those of TOML, which also wants one for DEL.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {toml_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return str(value)


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "").replace("-", "").isalnum() else toml_value(name)


def _comment(paragraphs: Sequence[str]) -> Iterator[str]:
    for paragraph in paragraphs:
        # Names of files and columns are untrusted: no control character, and no line of their own.
        shown = visible(" ".join(paragraph.split()))
        for line in textwrap.wrap(shown, WIDTH, break_long_words=False, break_on_hyphens=False):
            yield f"# {line}"
