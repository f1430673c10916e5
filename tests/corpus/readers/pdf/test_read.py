"""PDF: pages and headings, reading order, no running lines and nothing that cannot be seen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from reportlab.lib.colors import black, white
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from domainkit.corpus.document import Document
from domainkit.corpus.readers.pdf import ocr
from domainkit.corpus.readers.pdf.read import read_pdf
from domainkit.corpus.reading import collecting_warnings
from domainkit.errors import DataError

WORDS = "The keeper counts the crates before the first lorry arrives at the gate of the orchard"


def read(path: Path) -> tuple[Document, list[str]]:
    with collecting_warnings() as warnings:
        [document] = read_pdf(path, "a")
    return document, [p.what for p in warnings]


def draw(path: Path, *pages: Callable[[Canvas], object], **options: object) -> Path:
    canvas = Canvas(str(path), invariant=1, **options)
    for page in pages:
        canvas.setFont("Helvetica", 10)
        page(canvas)
        canvas.showPage()
    canvas.save()
    return path


def test_pages_and_headings_are_marks(tmp_path: Path) -> None:
    def first(c: Canvas) -> None:
        c.setFont("Helvetica-Bold", 24)
        c.drawString(72, 760, "Orchard Handbook")
        c.setFont("Helvetica", 10)
        c.drawString(72, 720, f"{WORDS}.")
        c.setFont("Helvetica-Bold", 16)
        c.drawString(72, 680, "Harvest")
        c.setFont("Helvetica", 10)
        c.drawString(72, 650, f"{WORDS} and the")

    document, warnings = read(
        draw(tmp_path / "a.pdf", first, lambda c: c.drawString(72, 760, "office closes at five."))
    )
    assert (document.title, document.meta["pages"], warnings) == ("Orchard Handbook", 2, [])
    assert document.text == f"{WORDS}.\n\nHarvest\n\n{WORDS} and the office closes at five."
    mark = document.mark_at(document.text.index("office"))
    assert mark is not None
    assert (mark.page, mark.headings) == (2, ("Harvest",))


def test_headers_and_footers_are_left_out(tmp_path: Path) -> None:
    def page(number: int) -> Callable[[Canvas], object]:
        def paint(c: Canvas) -> None:
            c.drawString(72, 800, "Valley Cooperative Yearbook")
            for line in range(8):
                c.drawString(72, 740 - 14 * line, f"{WORDS} {chr(97 + number)}{chr(97 + line)}.")
            c.drawString(72, 40, f"Page {number} of 5")

        return paint

    document, _ = read(draw(tmp_path / "a.pdf", *map(page, range(1, 6))))
    assert "Yearbook" not in document.text
    assert "Page" not in document.text
    assert document.text.count(WORDS) == 40
    assert document.meta["removed"] == {"running_lines": 10}


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


def test_two_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    def page(c: Canvas) -> None:
        for line in range(30):
            c.drawString(60, 780 - 12 * line, f"left line number {line} of the first column")
            c.drawString(320, 780 - 12 * line, f"right line number {line} of the second column")

    document, _ = read(draw(tmp_path / "a.pdf", page))
    assert document.text.rindex("left") < document.text.index("right")


def test_a_turned_page_is_read(tmp_path: Path) -> None:
    path = draw(tmp_path / "a.pdf", lambda c: [c.drawString(72, 700 - 14 * i, f"{WORDS} {i}.") for i in range(10)])
    import pypdfium2

    document = pypdfium2.PdfDocument(path)
    document[0].set_rotation(90)
    document.save(tmp_path / "turned.pdf")
    document.close()
    found, _ = read(tmp_path / "turned.pdf")
    assert found.text.split() == [word for i in range(10) for word in f"{WORDS} {i}.".split()]


@pytest.mark.parametrize(
    "data, what",
    [(b"", "is empty\n  next: delete it"), (b"%PDF-1.4 garbage", "is damaged, or no PDF: Failed to load document")],
)
def test_what_is_no_pdf_is_named(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "a.pdf").write_bytes(data)
    with pytest.raises(DataError, match=what):
        read(tmp_path / "a.pdf")


def test_a_password_is_named_unless_it_is_the_owners_alone(tmp_path: Path) -> None:
    locked = StandardEncryption("secret", ownerPassword="owner")
    path = draw(tmp_path / "a.pdf", lambda c: c.drawString(72, 700, WORDS), encrypt=locked)
    with pytest.raises(DataError, match="is password-protected\n  next: save a copy without the password"):
        read(path)
    owners = StandardEncryption("", ownerPassword="owner")
    path = draw(tmp_path / "b.pdf", lambda c: c.drawString(72, 700, WORDS), encrypt=owners)
    assert read(path)[0].text == WORDS


def scan(path: Path, *pages: str) -> Path:
    """Pages as pictures of their text."""
    from PIL import Image, ImageDraw, ImageFont

    def paint(text: str) -> Callable[[Canvas], object]:
        picture = Image.new("L", (1240, 1754), 255)
        ImageDraw.Draw(picture).text((120, 120), text, font=ImageFont.load_default(40))
        return lambda c: c.drawImage(ImageReader(picture), 0, 0, 595, 842)

    return draw(path, *map(paint, pages))


def test_a_scan_without_text_recognition_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "missing", lambda: ("the program tesseract is not installed", "install it"))
    path = scan(tmp_path / "a.pdf", "Bees")
    what = r"is scanned: none of its 1 pages was read \(the program tesseract is not installed\)\n  next: install it"
    with pytest.raises(DataError, match=what):
        read(path)


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
def test_a_scanned_page_is_recognized(tmp_path: Path) -> None:
    document, warnings = read(scan(tmp_path / "a.pdf", "The keeper counts the crates\nbefore the lorry arrives."))
    assert document.text.split() == ["The", "keeper", "counts", "the", "crates", "before", "the", "lorry", "arrives."]
    assert document.meta["ocr_confidence"]["1"] > 80
    assert warnings == []
    assert "OMP_THREAD_LIMIT" not in os.environ  # of tesseract alone: other children would inherit it


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
def test_a_language_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ocr.LANGUAGES, "eng+xxx")
    missing = ocr.missing()
    assert missing is not None
    assert missing[0].startswith("tesseract has no 'xxx', only ")
