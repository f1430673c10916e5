"""PDF: pages and headings are marks, running lines go, and each script comes out in its own order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import reportlab
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from domainkit.corpus.readers.pdf import ocr
from domainkit.errors import DataError
from tests.corpus.readers.pdf.drawn import WORDS, draw, read


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


HEBREW = "הדבורה אוספת צוף מן הפרחים ומביאה אותו אל הכוורת"
ARABIC = "تجمع النحلة الرحيق من الأزهار وتحمله إلى الخلية"


DEJAVU = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")


def with_font(name: str, file: Path, **options: object) -> str:
    pdfmetrics.registerFont(TTFont(name, file, **options))
    return name


@pytest.mark.skipif(not DEJAVU.is_file(), reason="no font with Hebrew and Arabic letters is installed (fonts-dejavu)")
@pytest.mark.parametrize("text", [HEBREW, ARABIC])
def test_scripts_from_right_to_left_come_out_as_they_are_written(tmp_path: Path, text: str) -> None:
    font = with_font("RightToLeft", DEJAVU)

    def page(c: Canvas) -> None:
        for line in range(6):
            c.setFont(font, 10)
            c.drawRightString(520, 700 - 16 * line, text[::-1])  # as it is painted: from the left

    document, warnings = read(draw(tmp_path / "a.pdf", page))
    assert document.text.split() == text.split() * 6
    assert warnings == []


def test_letters_without_a_map_are_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    font = with_font("NoMap", Path(reportlab.__file__).parent / "fonts" / "Vera.ttf", asciiReadable=False)

    def page(c: Canvas) -> None:
        for line in range(8):
            c.setFont(font, 10)
            c.drawString(72, 700 - 16 * line, WORDS)

    path = draw(tmp_path / "a.pdf", page)
    assert read(path)[0].text.split() == WORDS.split() * 8  # with its map
    path.write_bytes(path.read_bytes().replace(b"/ToUnicode", b"/XxUnicode"))
    monkeypatch.setattr(ocr, "missing", lambda: ("the program tesseract is not installed", "install it"))
    with pytest.raises(DataError, match="is scanned: none of its 1 pages was read"):
        read(path)
