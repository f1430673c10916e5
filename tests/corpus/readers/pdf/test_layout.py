"""Headings, columns and tables in reading order."""

from __future__ import annotations

from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from domainkit.corpus.readers.marked_text import MarkedText
from domainkit.corpus.readers.pdf.layout import add_paragraph, block_text, read_layout
from tests.corpus.readers.pdf.drawn import WORDS, draw, read


def test_two_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    def page(c: Canvas) -> None:
        for line in range(30):
            c.drawString(60, 780 - 12 * line, f"left line number {line} of the first column")
            c.drawString(320, 780 - 12 * line, f"right line number {line} of the second column")

    document, _ = read(draw(tmp_path / "a.pdf", page))
    assert document.text.rindex("left") < document.text.index("right")


def test_the_blocks_of_each_page(tmp_path: Path) -> None:
    def page(c: Canvas) -> None:
        c.setFont("Helvetica-Bold", 24)
        c.drawString(72, 760, "Harvest")
        c.setFont("Helvetica", 10)
        c.drawString(72, 720, f"{WORDS}.")

    found = read_layout(draw(tmp_path / "a.pdf", page, lambda c: c.drawString(72, 500, "Another page.")))
    assert list(found) == [1, 2]
    assert [b.kind for b in found[1]] == ["heading", "paragraph"]
    assert block_text(found[1][1]).split() == f"{WORDS}.".split()
    assert read_layout(b"%PDF-1.4 garbage") == {}


@pytest.mark.parametrize(
    "first, second, parts",
    [
        ("The keeper counts the", "crates.", ["The keeper counts the crates."]),
        ("The keeper counts.", "the crates.", ["The keeper counts.", "the crates."]),
        ("The keeper counts the", "Crates.", ["The keeper counts the", "Crates."]),
    ],
)
def test_a_sentence_goes_on_in_the_next_column(first: str, second: str, parts: list[str]) -> None:
    text = MarkedText()
    add_paragraph(first, text)
    add_paragraph(second, text)
    document = text.document(Path("a.pdf"), "a")
    assert document is not None
    assert document.text == "\n\n".join(parts)
