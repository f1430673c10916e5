"""Markdown: the file is one document, its first heading the title."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from domainkit.corpus.document import Document
from domainkit.corpus.text_files import read_text

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r" {0,3}#[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*")
_CODE_FENCE = re.compile(r" {0,3}(```+|~~~+)")


def read_markdown(path: Path, name: str) -> Iterator[Document]:
    """One document without its front matter; the first `# ` heading outside code is the title and leaves the text."""
    title, text = _split_title(_FRONT_MATTER.sub("", read_text(path), count=1))
    if text or title:
        yield Document(text=text or title, source=str(path), id=name, title=title)


def _split_title(text: str) -> tuple[str, str]:
    lines = text.split("\n")
    fence = ""  # the marks that opened the code block we are in
    for i, line in enumerate(lines):
        mark = _CODE_FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = ""
        elif not fence and (heading := _TITLE.fullmatch(line)):
            return heading[1].strip(), "\n".join(lines[:i] + lines[i + 1 :]).strip()
    return "", text.strip()
