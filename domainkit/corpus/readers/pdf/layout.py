"""The layout of a PDF as liteparse sees it: headings, paragraphs, lists and tables in reading order, by page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from domainkit.corpus.readers.marked_text import MarkedText
from domainkit.corpus.readers.pdf.running_lines import BAND, is_running

if TYPE_CHECKING:
    from liteparse import LayoutBlock

_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,3})(?=\S)(.+?)(?<=\S)\1(?![\w*])")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+.!|<>~-])")
_ENDS_SENTENCE = re.compile(r"[.!?:;…。！？؟۔।][\"'”’»)\]」』）]*$")


def read_layout(source: Path | bytes) -> dict[int, list[LayoutBlock]]:
    """The blocks of each page, by its number from 1; empty where liteparse cannot read the file."""
    from liteparse import LiteParse, ParseError

    # OCR would fetch its data over the network; the pages that need it are found and read here.
    reader = LiteParse(
        ocr_enabled=False, output_format="markdown", extract_blocks=True, extract_links=False, quiet=True, num_workers=1
    )
    try:
        parsed = reader.parse(source)
    except ParseError:
        return {}
    return {page.page_num: list(page.blocks or ()) for page in parsed.pages}


def block_text(block: LayoutBlock) -> str:
    """All words of a block; for comparing with what another reader finds."""
    cells = [cell.text for row in _rows(block) for cell in row]
    return " ".join([block.text or "", *(block.lines or ()), *cells])


def add_blocks(blocks: list[LayoutBlock], running: frozenset[str], into: MarkedText) -> None:
    """Add a page's blocks to the document, without headers and footers that liteparse has left."""
    blocks = [b for b in blocks if b.kind not in ("rule", "figure")]
    for number, block in enumerate(blocks):
        in_band = number < BAND or number >= len(blocks) - BAND
        if in_band and block.kind != "heading" and is_running(_plain(block.text or ""), running):
            continue
        _add(block, into)


def _add(block: LayoutBlock, into: MarkedText) -> None:
    if block.kind == "heading":
        into.heading(_plain(block.text or ""), block.level or 1)
    elif block.kind == "list_item":
        marker = block.marker if block.ordered and block.marker else "-"
        into.add(f"{marker} {_plain(block.text or '')}", "item")
    elif block.kind == "table":
        for row in _rows(block):
            filled = [cell.text for cell in row if cell.text.strip()]
            if len(row) > 2 and len(filled) == 1:
                into.add(_plain(filled[0]))  # a sentence beside the table
            else:
                into.row([_plain(cell.text) for cell in row])
    elif block.lines:
        into.add("\n".join(block.lines))
    else:
        add_paragraph(_plain(block.text or ""), into)


def add_paragraph(text: str, into: MarkedText) -> None:
    """A paragraph; it goes on with the one before where a column or page ends within a sentence."""
    before = into.parts[-1] if into.parts else None
    broken = before is not None and before.kind == "paragraph" and not _ENDS_SENTENCE.search(before.text)
    into.add(text, continues=broken and text[:1].islower())


def _rows(block: LayoutBlock) -> list[list]:
    rows = list(block.rows or ())
    return [block.header, *rows] if block.header else rows


def _plain(markdown: str) -> str:
    """A block's text without the emphasis and escapes of Markdown."""
    return _ESCAPE.sub(r"\1", _EMPHASIS.sub(r"\2", markdown))
