"""Files of each format, written by the format's own writer."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest

Writer = Callable[[Path, str], None]


def write_pdf(path: Path, text: str) -> None:
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path), invariant=1)
    for page in text.split("\f"):
        for number, line in enumerate(page.split("\n")):
            canvas.setFont("Helvetica", 18 if line.startswith("# ") else 10)
            canvas.drawString(72, 780 - 20 * number, line.removeprefix("# "))
        canvas.showPage()
    canvas.save()


def write_docx(path: Path, text: str) -> None:
    from docx import Document

    document = Document()
    for line in text.split("\n"):
        if line.startswith("#"):
            document.add_heading(line.lstrip("# "), line.count("#") - 1)
        else:
            document.add_paragraph(line)
    document.save(str(path))


def write_pptx(path: Path, text: str) -> None:
    from pptx import Presentation

    presentation = Presentation()
    for slide_text in text.split("\f"):
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        title, _, body = slide_text.partition("\n")
        slide.shapes.title.text, slide.placeholders[1].text = (title, body) if body else ("", title)
    presentation.save(str(path))


def write_workbook(path: Path, text: str) -> None:
    from openpyxl import Workbook

    book = Workbook()
    for line in text.split("\n"):
        book.active.append(line.split("\t"))
    book.save(path)


def write_ods(path: Path, text: str) -> None:
    rows = "".join(
        f'<table:table-row><table:table-cell office:value-type="string"><text:p>{line}</text:p></table:table-cell>'
        "</table:table-row>"
        for line in text.split("\n")
    )
    names = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<office:document-content xmlns:office="{names}:office:1.0" xmlns:table="{names}:table:1.0" '
        f'xmlns:text="{names}:text:1.0"><office:body><office:spreadsheet><table:table table:name="S">{rows}'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", content)


def write_html(path: Path, text: str) -> None:
    path.write_text("<html><body>" + "".join(f"<p>{line}</p>" for line in text.split("\n")), encoding="utf-8")


def write_mail(path: Path, text: str) -> None:
    message = EmailMessage()
    message["Subject"] = "Hives"
    message.set_content(text)
    path.write_bytes(bytes(message))


def write_epub(path: Path, text: str, package: str = "") -> None:
    """A book whose chapters are the text's pages; the first one is last in the archive."""
    chapters = text.split("\f")
    items = "".join(
        f'<item id="c{i}" href="ch%20{i}.xhtml" media-type="application/xhtml+xml"/>' for i in range(len(chapters))
    )
    spine = "".join(f'<itemref idref="c{i}"/>' for i in range(len(chapters)))
    package = package or (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>The Book</dc:title></metadata><manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    container = '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("OPS/book.opf", package)
        for i, chapter in reversed(list(enumerate(chapters))):
            archive.writestr(f"OPS/ch {i}.xhtml", f"<html><head><title/></head><body>{chapter}</body></html>")


WRITERS: dict[str, Writer] = {
    ".docm": write_docx,
    ".docx": write_docx,
    ".eml": write_mail,
    ".epub": write_epub,
    ".htm": write_html,
    ".html": write_html,
    ".ods": write_ods,
    ".pdf": write_pdf,
    ".pptm": write_pptx,
    ".pptx": write_pptx,
    ".xhtml": write_html,
    ".xlsm": write_workbook,
    ".xlsx": write_workbook,
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """write(name, text): a file of the format that the name's suffix says."""

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        WRITERS[path.suffix](path, text)
        return path

    return write_file
