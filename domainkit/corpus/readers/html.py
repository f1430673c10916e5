"""HTML: the main content of a page is one document; navigation, banners and hidden text are left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from domainkit import storage
from domainkit.corpus.archive import refused
from domainkit.corpus.document import Document
from domainkit.corpus.readers.marked_text import MarkedText, Part
from domainkit.corpus.readers.markup import add_markup, count_letters, drop_hidden, parse_markup
from domainkit.corpus.reading import warn
from domainkit.text.encoding import decode, encoding_name

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

MAX_BYTES = 20 * 2**20
MAIN_SHARE = 0.5
"""An extracted main content with a smaller share of the page's letters is not believed: pages that are lists of
questions, terms or links would lose most of what they say."""
_FURNITURE = (
    "nav, footer, aside, dialog, header nav, menu, [role=navigation], [role=banner], [role=contentinfo], "
    "[role=search], [role=complementary], [role=dialog], [role=alertdialog]"
)
_FURNITURE_NAMES = re.compile(
    r"(?:^|[\s_-])(?:cookies?|consent|gdpr|newsletter|breadcrumbs?|sidebar|side-bar|navbar|navigation|nav|menu|"
    r"skip-?link|skip-?to|social|share|sharing|advert|ads?|popup|modal|site-?header|site-?footer|footer|paywall|"
    r"related(?:-posts)?|cookie-?banner|cookie-?bar)(?:$|[\s_-])",
    re.IGNORECASE,
)
_NAMED = ", ".join(f"{tag}[{name}]" for tag in ("div", "section", "ul", "p", "header") for name in ("class", "id"))
_META_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"\A\s*<\?xml[^>]*encoding\s*=\s*[\"']([\w.:-]+)")
_SUFFIX_OF_TITLE = re.compile(r"\s+[|–—·»-]\s+[^|–—·»]{1,60}$")


def read_html(path: Path, name: str) -> Iterator[Document]:
    """One document: its headings are marks, its first heading or `<title>` the title.

    Raises DataError for a page of more than MAX_BYTES, one that is not text, and one from which no text comes.
    """
    try:
        data = storage.read_bytes(path, MAX_BYTES)
    except OSError as e:
        raise refused(path, f"cannot be read: {e.strerror or e}", "split it, or check the file") from None
    html = decode_html(path, data)
    tree = parse_markup(path, html)
    title = _title(html)
    hidden = drop_hidden(tree)
    main, letters = _main_content(path, tree)
    if not main.parts and letters == 0 and len(data) > 10_000:
        next_step = "print the page to PDF from a browser: its text may be made by a script"
        raise refused(path, f"holds no text in {len(data):,} bytes", next_step)
    if hidden:
        warn(path, f"{hidden} hidden letters left out", "make them visible if they belong to the text")
    meta = {"removed": {"hidden_letters": hidden}} if hidden else {}
    document = main.document(path, name, fallback_title=_SUFFIX_OF_TITLE.sub("", title), meta=meta)
    if document is not None:
        yield document


def decode_html(path: Path, data: bytes) -> str:
    """The page's text in its own encoding; a guess is a warning."""
    declared = _META_CHARSET.search(data[:4096]) or _XML_ENCODING.search(data[:200])
    try:
        decoded = decode(data, declared[1].decode("ascii", "ignore") if declared else None)
    except UnicodeDecodeError as e:
        raise refused(
            path, f"is not text in {encoding_name(e.encoding)}, from byte {e.start + 1} on", "save it as UTF-8"
        ) from None
    if decoded.guessed:
        warn(
            path,
            f"names no encoding: read as {encoding_name(decoded.encoding)}",
            "save it as UTF-8 if letters are wrong",
        )
    return decoded.text


def _title(html: str) -> str:
    from html import unescape

    found = re.search(r"<title[^>]*>([^<]{0,500})", html[:200_000], re.IGNORECASE)
    return unescape(found[1]) if found else ""


def _main_content(path: Path, tree: LexborHTMLParser) -> tuple[MarkedText, int]:
    """The parts of the main content, and the number of letters of the whole page."""
    body = tree.body
    if body is None:
        return MarkedText(), 0
    letters = count_letters(body.text(deep=True))
    main = _marked_main(body, letters)
    if main is not None:
        _drop_furniture(main)
        return _parts_of(path, main), letters
    whole = _parts_of(path, body)
    _drop_furniture(body)
    parts = _parts_of(path, body)
    if _letters(parts.parts) < 0.25 * _letters(whole.parts):
        return whole, letters  # the page is what looks like furniture
    extracted = _extracted_span(body.html or "", parts.parts)
    if _letters(extracted) >= MAIN_SHARE * _letters(parts.parts):
        parts.parts = extracted
    return parts, letters


def _marked_main(body: LexborNode, letters: int) -> LexborNode | None:
    """The element that the page itself calls its main content."""
    for selector in ("main, [role=main]", "article"):
        found = body.css(selector)
        if len(found) == 1 and count_letters(found[0].text(deep=True)) >= MAIN_SHARE * letters:
            return found[0]
    return None


def _drop_furniture(root: LexborNode) -> None:
    for node in reversed(root.css(_FURNITURE)):
        if node.mem_id != root.mem_id:
            node.decompose()
    for node in root.css(
        "div[class], div[id], section[class], section[id], ul[class], ul[id], p[class], header[class]"
    ):
        names = f"{node.attributes.get('class') or ''} {node.attributes.get('id') or ''}"
        if _FURNITURE_NAMES.search(names) and node.css_first("main, article, h1") is None:
            node.decompose()


def _parts_of(path: Path, node: LexborNode) -> MarkedText:
    parts = MarkedText()
    add_markup(path, node, parts)
    return parts


def _letters(parts: list[Part]) -> int:
    return sum(count_letters(part.text) for part in parts)


def _extracted_span(html: str, parts: list[Part]) -> list[Part]:
    """The parts from the first to the last one that trafilatura counts to the main content, and the heading above."""
    import trafilatura

    text = trafilatura.extract(html, output_format="txt", include_tables=True, include_comments=False) or ""
    squeezed = "".join(filter(str.isalnum, text))
    keys = ["".join(filter(str.isalnum, part.text)) for part in parts]
    inside = [i for i, key in enumerate(keys) if len(key) > 20 and key in squeezed]
    if not inside:
        return []
    first = inside[0]
    while first > 0 and (parts[first - 1].kind == "heading" or _is_byline(parts, first - 1)):
        first -= 1
    return parts[first : inside[-1] + 1]


def _is_byline(parts: list[Part], number: int) -> bool:
    """A short paragraph between the first heading and the text."""
    return number > 0 and parts[number - 1].kind == "heading" and len(parts[number].text) <= 120
