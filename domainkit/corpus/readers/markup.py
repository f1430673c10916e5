"""HTML to the parts of a document: headings, paragraphs, list items and table rows, in reading order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from domainkit.corpus.archive import refused
from domainkit.corpus.readers.marked_text import Kind, MarkedText
from domainkit.errors import DataError

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

MAX_DEPTH = 300
"""Of nested elements; browsers stop at 512."""
_PARSED_DEPTH = 5000
"""Of elements that are open at once before a page is parsed: the parser's time grows with its square."""
_MOST_ATTRIBUTES = 10_000
"""Of one tag: the same."""
NOT_TEXT = (
    "script, style, noscript, template, svg, iframe, object, embed, canvas, audio, video, map, select, option, "
    "button, input, textarea, rt, rp, head > title"
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCK_NAMES = (
    "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure footer form "
    "header hgroup html legend li main nav ol p pre section summary table tbody td tfoot th thead tr ul caption"
)
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|font-size\s*:\s*[01](?:px|pt|em|%)?\s*(?:;|$|!)"
    r"|opacity\s*:\s*0?\.?0+\s*(?:;|$|!)",
    re.IGNORECASE,
)
_DATA_URL = re.compile(r"data:[\w/+.-]+(?:;[\w=-]+)*,[A-Za-z0-9+/=%_-]+")
_NESTING = re.compile(
    r"<(/?)(?:div|span|section|article|main|header|footer|nav|aside|table|ul|ol|dl|blockquote|form|center|fieldset|a|b|i"
    r"|u|s|em|strong|font|small|big|sub|sup|code|tt)(?=[\s/>])",
    re.IGNORECASE,
)
"""Elements whose end tag nobody may leave out."""
_LONG_TAG = re.compile(r"<[a-zA-Z][^<>]{200000,}")
_SPACES = re.compile(r"[ \t\r\n\f]+")
_BREAK = "\x01"  # a line break of the author's; control characters cannot be written in HTML


def parse_markup(path: Path, html: str) -> LexborHTMLParser:
    """The tree of an HTML text, without what is never text: scripts, styles, pictures, forms' controls.

    Raises DataError for what takes the parser minutes: thousands of elements in each other, or attributes on a tag.
    """
    from selectolax.lexbor import LexborHTMLParser

    html = _DATA_URL.sub("", html.replace(_BREAK, " "))
    if _open_at_once(html) > _PARSED_DEPTH:
        raise _too_deep(path)
    if any(
        tag[0].count("=") > _MOST_ATTRIBUTES or len(tag[0].split()) > _MOST_ATTRIBUTES
        for tag in _LONG_TAG.finditer(html)
    ):
        what = f"has a tag with more than {_MOST_ATTRIBUTES:,} attributes"
        raise refused(path, what, "do not trust it; save it again from a browser")
    tree = LexborHTMLParser(html)
    for node in reversed(tree.css(NOT_TEXT)):  # what is inside another one goes first: a removed parent frees it
        node.decompose()
    return tree


def drop_hidden(tree: LexborHTMLParser) -> int:
    """Remove what a browser does not show; returns the number of its letters and digits."""
    letters = 0
    for node in reversed(tree.css("[hidden], [style]")):
        hidden = "hidden" in node.attributes and node.attributes["hidden"] != "until-found"
        if hidden or _HIDDEN_STYLE.search(node.attributes.get("style") or ""):
            letters += count_letters(node.text(deep=True))
            node.decompose()
    return letters


def count_letters(text: str | None) -> int:
    """Letters and digits, by which amounts of text are compared."""
    return sum(map(str.isalnum, text or ""))


def add_markup(path: Path, node: LexborNode | None, into: MarkedText) -> None:
    """Add the parts of `node` and all below it. Raises DataError for markup nested deeper than MAX_DEPTH."""
    if node is None:
        return
    try:
        _Walk(into).block(node, 0, "paragraph", "")
    except RecursionError:
        raise _too_deep(path) from None


def _too_deep(path: Path) -> DataError:
    return refused(path, f"is nested more than {MAX_DEPTH} levels deep", "save it again with fewer levels")


def _open_at_once(html: str) -> int:
    """The most elements that are open at one place, as far as their tags say."""
    depth = most = 0
    for tag in _NESTING.finditer(html):
        depth = max(0, depth + (-1 if tag[1] else 1))
        most = max(most, depth)
    return most


class _Walk:
    """Inline text is collected until a block begins or ends, and is then one part."""

    def __init__(self, into: MarkedText) -> None:
        self.into = into
        self.inline: list[str] = []

    def block(self, node: LexborNode, depth: int, kind: Kind, marker: str) -> None:
        """The children of a block. The first text in a list item gets the item's `marker`."""
        if depth > MAX_DEPTH:
            raise RecursionError
        number = 0
        for child in node.iter(include_text=True):
            tag = child.tag or ""
            if tag == "-text":
                self.inline.append(_SPACES.sub(" ", child.text_content or ""))
            elif tag == "br":
                self.inline.append(_BREAK)
            elif tag in _HEADINGS:
                marker = self.flush(kind, marker)
                self.heading(child, _HEADINGS[tag], depth)
            elif tag == "pre":
                marker = self.flush(kind, marker)
                self.into.add(child.text(deep=True))
            elif tag == "table":
                marker = self.flush(kind, marker)
                self.table(child, depth)
            elif tag == "li":
                self.flush(kind, marker)
                number += 1
                self.block(child, depth + 1, "item", f"{number}. " if node.tag == "ol" else "- ")
            elif tag in _BLOCKS:
                marker = self.flush(kind, marker)
                self.block(child, depth + 1, kind, marker)
            elif tag != "hr":
                self.inner(child, depth + 1, kind, marker)
        self.flush(kind, marker)

    def inner(self, node: LexborNode, depth: int, kind: Kind, marker: str) -> None:
        """An inline element; browsers allow blocks in it, as in a link around a card."""
        if any((child.tag or "") in _BLOCKS or (child.tag or "") in _HEADINGS for child in node.iter()):
            self.flush(kind, marker)
            self.block(node, depth, kind, "")
            return
        if depth > MAX_DEPTH:
            raise RecursionError
        for child in node.iter(include_text=True):
            if child.tag == "-text":
                self.inline.append(_SPACES.sub(" ", child.text_content or ""))
            elif child.tag == "br":
                self.inline.append(_BREAK)
            else:
                self.inner(child, depth + 1, kind, marker)

    def heading(self, node: LexborNode, level: int, depth: int) -> None:
        self.inner_text(node, depth)
        self.into.heading(self.taken(), level)

    def inner_text(self, node: LexborNode, depth: int) -> None:
        for child in node.traverse(include_text=True):
            if child.tag == "-text":
                self.inline.append(_SPACES.sub(" ", child.text_content or ""))
            elif child.tag == "br" or (child.tag or "") in _BLOCKS:
                self.inline.append(_BREAK)

    def table(self, node: LexborNode, depth: int) -> None:
        """Rows of cells; a table that only arranges a page is walked like any other block."""
        if _is_layout(node):
            self.block(node, depth + 1, "paragraph", "")
            return
        for part in node.css("caption, tr"):
            if part.tag == "caption":
                self.inner_text(part, depth)
                self.into.add(self.taken())
                continue
            cells = []
            for cell in (c for c in part.iter() if c.tag in ("td", "th")):
                self.inner_text(cell, depth)
                cells.append(self.taken())
            self.into.row(cells)

    def flush(self, kind: Kind, marker: str) -> str:
        """End a part. Returns the marker that is still to be written."""
        text = self.taken()
        if not text:
            return marker
        self.into.add(marker + text, kind if marker or kind == "item" else "paragraph")
        return ""

    def taken(self) -> str:
        text = _SPACES.sub(" ", "".join(self.inline))
        self.inline.clear()
        return "\n".join(line.strip() for line in text.split(_BREAK)).strip()


def _is_layout(table: LexborNode) -> bool:
    if table.attributes.get("role") in ("presentation", "none") or table.css_first("table table") is not None:
        return True
    if table.css_first("h1, h2, h3, h4, h5, h6") is not None:
        return True
    widths = [sum(1 for c in row.iter() if c.tag in ("td", "th")) for row in table.css("tr")[:50]]
    return max(widths, default=0) <= 1
