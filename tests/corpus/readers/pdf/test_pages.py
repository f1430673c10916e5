"""The pages of a PDF as PDFium sees them; what is no PDF is named."""

from __future__ import annotations

from pathlib import Path

import pypdfium2
import pytest
from reportlab.lib.pdfencrypt import StandardEncryption

from domainkit.corpus.readers.pdf.pages import Page, read_pages
from domainkit.errors import DataError
from tests.corpus.readers.pdf.drawn import WORDS, draw, read


def test_pages_are_numbered_and_a_title_counts_where_the_page_says_it(tmp_path: Path) -> None:
    def titled(title: str) -> str:
        def page(c: object) -> None:
            c.setTitle(title)  # type: ignore[attr-defined]
            c.drawString(72, 700, "Orchard Handbook 1")  # type: ignore[attr-defined]

        found = read_pages(draw(tmp_path / "a.pdf", page, lambda c: c.drawString(72, 700, "two")))
        assert [(p.number, p.text, p.rotation, p.letters) for p in found.pages] == [
            (1, "Orchard Handbook 1", 0, 16),
            (2, "two", 0, 3),
        ]
        return found.title

    assert titled("Orchard Handbook") == "Orchard Handbook"
    assert titled("template.indd") == ""


@pytest.mark.parametrize("text, expected", [("שלום to all the world", False), ("שלום עולם a", True), ("12", False)])
def test_a_page_runs_from_the_right(text: str, expected: bool) -> None:
    assert Page(1, text, 0, 0.0, 0).right_to_left is expected


def test_a_turned_page_is_read(tmp_path: Path) -> None:
    path = draw(tmp_path / "a.pdf", lambda c: [c.drawString(72, 700 - 14 * i, f"{WORDS} {i}.") for i in range(10)])
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
