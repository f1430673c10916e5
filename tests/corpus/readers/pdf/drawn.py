"""PDFs drawn by reportlab, and how they are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from domainkit.corpus.document import Document
from domainkit.corpus.readers.pdf.read import read_pdf
from domainkit.corpus.reading import collecting_warnings

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


def scan(path: Path, *pages: str) -> Path:
    """Pages as pictures of their text."""
    from PIL import Image, ImageDraw, ImageFont

    def paint(text: str) -> Callable[[Canvas], object]:
        picture = Image.new("L", (1240, 1754), 255)
        ImageDraw.Draw(picture).text((120, 120), text, font=ImageFont.load_default(40))
        return lambda c: c.drawImage(ImageReader(picture), 0, 0, 595, 842)

    return draw(path, *map(paint, pages))
