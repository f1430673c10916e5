"""The pages of a PDF as PDFium sees them: text in the order of the file, rotation, pictures, and no hidden text."""

from __future__ import annotations

import io
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from domainkit.corpus.archive import refused
from domainkit.corpus.readers.pdf.hidden import remove_hidden
from domainkit.errors import DataError
from domainkit.text.words import fold

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

# PDFium's marks of a hyphen at a line end, whose line end is already gone, and of what it cannot map.
_MARKS = str.maketrans({"\x02": None, "\ufffe": None, "\uffff": None, "\x00": None})


@dataclass
class Page:
    """One page, numbered from 1."""

    number: int
    text: str
    """Lines as they stand in the file."""
    rotation: int
    """Degrees that a viewer turns the page by."""
    picture_share: float
    """Of the page's area."""
    drawings: int
    """Lines and shapes; a text of outlines has thousands."""

    @property
    def letters(self) -> int:
        return sum(map(str.isalnum, self.text))

    @property
    def right_to_left(self) -> bool:
        """Whether a third of its letters are Arabic, Hebrew or of another script that runs from the right."""
        letters = [c for c in self.text if c.isalpha()]
        return 3 * sum(unicodedata.bidirectional(c) in ("R", "AL") for c in letters) > len(letters)


@dataclass
class Pages:
    """What PDFium found in a file."""

    pages: list[Page] = field(default_factory=list)
    title: str = ""
    """Of the file's properties; "" where the first pages do not say it: it is then a template's or a program's."""
    hidden_letters: int = 0
    cleaned: bytes | None = None
    """The file without its hidden text; None where it has none."""


def read_pages(path: Path) -> Pages:
    """Every page's text. Raises DataError for a damaged or encrypted file."""
    document = _open(path)
    try:
        found = Pages()
        removed_from = []
        for number in range(len(document)):
            page = document[number]
            seen = remove_hidden(page)
            rotation = page.get_rotation()
            if rotation and seen.upright:
                page.set_rotation(0)  # else PDFium reads the lines from below
            if seen.hidden_letters:
                found.hidden_letters += seen.hidden_letters
                removed_from.append(number)
            found.pages.append(Page(number + 1, _text(page), rotation, seen.picture_share, seen.drawings))
            page.close()
        if removed_from:
            _clean(document, found, removed_from)
        found.title = _title(document, found.pages)
        return found
    finally:
        document.close()


def _open(path: Path) -> PdfDocument:
    from pypdfium2 import PdfDocument, PdfiumError

    try:
        return PdfDocument(path)
    except PdfiumError as e:
        raise _refused(path, str(e)) from None


def _refused(path: Path, reason: str) -> DataError:
    if path.stat().st_size == 0:
        return refused(path, "is empty", "delete it, or copy it again")
    if "assword" in reason or "security" in reason.lower():
        return refused(path, "is password-protected", "save a copy without the password")
    return refused(path, f"is damaged, or no PDF: {reason}", "open it in a viewer and print it to a new PDF")


def _text(page: PdfPage) -> str:
    textpage = page.get_textpage()
    try:
        return str(textpage.get_text_range(errors="ignore")).translate(_MARKS).replace("\r\n", "\n")
    finally:
        textpage.close()


def _clean(document: PdfDocument, found: Pages, removed_from: list[int]) -> None:
    """Write the file without the removed text, and read the pages that it was removed from again."""
    from pypdfium2 import PdfDocument

    buffer = io.BytesIO()
    document.save(buffer)
    found.cleaned = buffer.getvalue()
    cleaned = PdfDocument(found.cleaned)
    try:
        for number in removed_from:
            page = cleaned[number]
            found.pages[number].text = _text(page)
            page.close()
    finally:
        cleaned.close()


def _title(document: PdfDocument, pages: list[Page]) -> str:
    title = " ".join(str(document.get_metadata_value("Title")).split())
    said = set(fold(" ".join(page.text for page in pages[:2])).split())
    words = fold(title).split()
    return title if words and len(title) <= 200 and 2 * sum(word in said for word in words) > len(words) else ""
