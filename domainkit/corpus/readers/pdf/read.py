"""PDF: one document whose marks are its pages and headings.

Each page comes from the reader that does best with it: liteparse for headings, columns and tables; PDFium for turned
pages and scripts from right to left; tesseract for scans.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from domainkit.corpus.archive import refused
from domainkit.corpus.document import Document
from domainkit.corpus.readers.marked_text import MarkedText
from domainkit.corpus.readers.pdf.hyphens import with_whole_words
from domainkit.corpus.readers.pdf.layout import add_blocks, add_paragraph, block_text, read_layout
from domainkit.corpus.readers.pdf.pages import Page, Pages, read_pages
from domainkit.corpus.readers.pdf.running_lines import running_keys, without_running_lines
from domainkit.corpus.readers.pdf.scans import Scans
from domainkit.corpus.reading import warn
from domainkit.storage import JsonObject

if TYPE_CHECKING:
    from liteparse import LayoutBlock

FEW_LETTERS = 20
"""A page with fewer, and a picture over half of it or very many drawings, is scanned."""
MANY_DRAWINGS = 300
MIN_KEPT = 0.8
"""Share of PDFium's letters that liteparse must find too; where it finds fewer, PDFium's text is taken."""
MIN_VOWELS = 0.15
"""Share of vowels in the Latin letters of a page: languages have over 0.3; codes of a font without a map have less."""


def read_pdf(path: Path, name: str) -> Iterator[Document]:
    """One document. Hidden text, headers and footers are left out and counted in `meta["removed"]`.

    Raises DataError for a damaged or encrypted file, and for one whose pages are all scanned and not read.
    """
    found = read_pages(path)
    layout = read_layout(found.cleaned if found.cleaned is not None else path)
    running = running_keys([page.text for page in found.pages])
    text, running_lines = MarkedText(), 0
    with Scans(path) as scans:
        for page in found.pages:
            text.page = page.number
            page.text, lines = without_running_lines(page.text, running)
            running_lines += lines
            blocks = layout.get(page.number, [])
            if _is_scan(page, blocks):
                scans.add(page.number, text)
            elif _is_better(page, blocks):
                _add_lines(page.text, blocks, text)
            else:
                add_blocks(blocks, running, text)
        text.parts = with_whole_words(text.parts)
        document = text.document(path, name, fallback_title=found.title, meta=_meta(found, running_lines, scans))
        if document is None and scans.unread:
            reason, next_step = scans.reason()
            raise refused(path, f"is scanned: none of its {len(found.pages)} pages was read ({reason})", next_step)
        scans.report()
    if found.hidden_letters:
        what = f"{found.hidden_letters} letters that no reader of its pages can see left out"
        warn(path, what, "look for white, tiny or covered text if you miss something")
    if document is not None:
        yield document


def _meta(found: Pages, running_lines: int, scans: Scans) -> JsonObject:
    counts = {"hidden_letters": found.hidden_letters, "running_lines": running_lines}
    removed = {what: count for what, count in counts.items() if count}
    meta: JsonObject = {"pages": len(found.pages)}
    if removed:
        meta["removed"] = removed
    if scans.read:
        meta["ocr_confidence"] = {str(page): confidence for page, confidence in scans.read.items()}
    return meta


def _is_scan(page: Page, blocks: list[LayoutBlock]) -> bool:
    """A page of pictures or outlines, or one whose letters are codes that no reader can map."""
    laid_out = " ".join(map(block_text, blocks))
    # Of codes without a map PDFium may give nothing at all.
    if not _is_readable(laid_out) and (page.letters < FEW_LETTERS or not _is_readable(page.text)):
        return True
    if page.letters < FEW_LETTERS and _letters(laid_out) < FEW_LETTERS:
        return page.picture_share > 0.5 or page.drawings > MANY_DRAWINGS
    return False


def _is_better(page: Page, blocks: list[LayoutBlock]) -> bool:
    """Whether PDFium's text of the page is better than liteparse's."""
    if not _is_readable(page.text):
        return False
    kept = sum(map(_letters, map(block_text, blocks)))
    return bool(page.rotation) or page.right_to_left or kept < MIN_KEPT * page.letters


def _is_readable(text: str) -> bool:
    """Whether the letters of the text can be those of a language."""
    letters = [c for c in text if c.isalpha()]
    unmapped = sum(c == "\ufffd" or unicodedata.category(c) in ("Co", "Cn", "Cc") for c in text if c not in "\n\t")
    if 5 * unmapped > len(letters):
        return not text.strip()
    latin = [base for c in letters if (base := unicodedata.normalize("NFD", c)[0]).isascii()]
    if len(latin) < 100 or 2 * len(latin) < len(letters):
        return True
    return sum(c in "aeiouyAEIOUY" for c in latin) >= MIN_VOWELS * len(latin)


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _add_lines(text: str, blocks: list[LayoutBlock], into: MarkedText) -> None:
    """PDFium's lines as paragraphs, with the headings that liteparse found."""
    levels = {_key(b.text or ""): b.level or 1 for b in blocks if b.kind == "heading"}
    paragraph: list[str] = []
    for line in [*text.split("\n"), ""]:
        level = levels.get(_key(line)) if line.strip() else None
        if level is None and line.strip():
            paragraph.append(line)
            continue
        add_paragraph("\n".join(paragraph), into)
        paragraph.clear()
        if level is not None:
            into.heading(line, level)


def _key(text: str) -> str:
    """The text's letters in any order: readers of scripts from right to left differ in the order."""
    return "".join(sorted(filter(str.isalnum, text.casefold())))
