"""Text that a reader of the page cannot see is taken out and counted."""

from __future__ import annotations

from pathlib import Path

import pypdfium2
from PIL import Image
from reportlab.lib.colors import black, white
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from domainkit.corpus.readers.pdf.hidden import remove_hidden
from tests.corpus.readers.pdf.drawn import draw, read


def test_what_nobody_can_see_is_left_out_and_counted(tmp_path: Path) -> None:
    def page(c: Canvas) -> None:
        c.drawString(72, 780, "Seen words")
        c.setFillColor(black)
        c.rect(60, 690, 300, 30, fill=1)
        c.setFillColor(white)
        c.drawString(72, 700, "White on black is seen")
        c.drawString(72, 600, "WHITE")
        c.setFillColor(black)
        c.drawString(72, 560, "COVERED")
        c.setFillColor(white)
        c.rect(60, 550, 300, 30, fill=1, stroke=0)
        c.setFillColor(black)
        c.drawString(-500, 500, "OUTSIDE")
        c.setFont("Helvetica", 0.5)
        c.drawString(72, 460, "TINY")
        text = c.beginText(72, 420)
        text.setFont("Helvetica", 10)
        text.setTextRenderMode(3)
        text.textLine("INVISIBLE")
        c.drawText(text)

    document, warnings = read(draw(tmp_path / "a.pdf", page))
    assert set(document.text.split()) == {"Seen", "words", "White", "on", "black", "is", "seen"}
    assert document.meta["removed"] == {"hidden_letters": 32}
    assert warnings == ["32 letters that no reader of its pages can see left out"]


def test_what_is_on_a_page(tmp_path: Path) -> None:
    def page(c: Canvas) -> None:
        c.drawString(72, 700, "Seen words")
        for line in range(3):
            c.line(72, 600 + line, 300, 600 + line)
        c.setFont("Helvetica", 1)
        c.drawString(72, 500, "tiny 12")

    document = pypdfium2.PdfDocument(draw(tmp_path / "a.pdf", page))
    found = remove_hidden(document[0])
    assert (found.hidden_letters, found.drawings, found.picture_share, found.upright) == (6, 3, 0.0, True)
    document.close()


def test_invisible_text_over_a_picture_of_the_page_stays(tmp_path: Path) -> None:
    """It is the text that OCR found."""

    def page(c: Canvas) -> None:
        c.drawImage(ImageReader(Image.new("L", (100, 140), 255)), 0, 0, 595, 842)
        text = c.beginText(72, 420)
        text.setFont("Helvetica", 10)
        text.setTextRenderMode(3)
        text.textLine("The words that were recognized on the page")
        c.drawText(text)

    document, warnings = read(draw(tmp_path / "a.pdf", page))
    assert (document.text, warnings) == ("The words that were recognized on the page", [])
