"""Markdown: the file is one document, its first heading the title."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from domainkit.corpus.document import Document, Mark
from domainkit.corpus.text_files import read_text

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r" {0,3}#[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*")
_UNDERLINE = re.compile(r" {0,3}(=+|-{3,})[ \t]*")
_ANY_HEADING = re.compile(r"^ {0,3}(?:#{1,6}[ \t]|=+[ \t]*$|-{3,}[ \t]*$)", re.MULTILINE)
_CODE_FENCE = re.compile(r" {0,3}(```+|~~~+)")


def read_markdown(path: Path, name: str) -> Iterator[Document]:
    """One document without its front matter; the first `# ` heading outside code is the title and leaves the text. The
    other headings are marks."""
    title, text = _split_title(_FRONT_MATTER.sub("", read_text(path), count=1))
    if text or title:
        yield Document(text=text or title, source=str(path), id=name, title=title, marks=_marks(text))


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


def _marks(text: str) -> tuple[Mark, ...]:
    """A mark at each heading outside code, `# ` or underlined."""
    if not _ANY_HEADING.search(text):
        return ()
    marks: list[Mark] = []
    above: list[tuple[int, str]] = []
    start, fence, before = 0, "", ""
    for line in text.split("\n"):
        level, heading, at = 0, "", start
        mark = _CODE_FENCE.match(line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        elif not fence and (found := _HEADING.fullmatch(line)):
            level, heading = len(found[1]), found[2].strip()
        elif not fence and _is_title_line(before) and (underline := _UNDERLINE.fullmatch(line)):
            level, heading, at = (1 if "=" in underline[1] else 2), before.strip(), start - len(before) - 1
        if heading:
            above = [*(h for h in above if h[0] < level), (level, heading)]
            marks.append(Mark(start=at, headings=tuple(name for _, name in above)))
        start += len(line) + 1
        before = line
    return tuple(marks)


def _is_title_line(line: str) -> bool:
    """Whether an underline below makes this line a heading, not a rule below a list or the head of a table."""
    return bool(line.strip()) and not line.lstrip().startswith(("|", "-", "*", "+", "#", ">", "=", "```"))
