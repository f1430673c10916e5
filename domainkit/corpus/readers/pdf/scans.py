"""The scanned pages of one file: read by OCR within a budget of time, or named as not read."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from domainkit.corpus.readers.marked_text import MarkedText
from domainkit.corpus.readers.pdf import ocr
from domainkit.corpus.reading import step_done, warn

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

FILE_SECONDS = 900
"""For all scanned pages of a file."""


class Scans:
    """Reads scanned pages of the file, which it opens at the first one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read: dict[int, float] = {}
        """Confidence (0 to 100) of each page that was read."""
        self.unread: dict[str, list[int]] = {}
        """Pages by the reason why they were not read."""
        self.missing = ocr.missing
        self._document: PdfDocument | None = None
        self._until = time.monotonic() + FILE_SECONDS

    def __enter__(self) -> Scans:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._document is not None:
            self._document.close()

    def add(self, number: int, into: MarkedText) -> None:
        """Add the text of a scanned page to the document."""
        missing = self.missing()
        if missing:
            self._leave_out(missing[0], number)
            return
        if time.monotonic() > self._until:
            self._leave_out(f"{FILE_SECONDS // 60} minutes of text recognition were not enough", number)
            return
        try:
            recognized = self._recognize(number)
        except ocr.OcrError as e:
            self._leave_out(f"tesseract failed: {e}", number)
            return
        finally:
            step_done()
        if recognized.paragraphs and recognized.confidence < ocr.SURE:
            self._leave_out(f"its words were recognized with a confidence below {ocr.SURE:.0f} of 100", number)
            return
        self.read[number] = round(recognized.confidence, 1)
        for paragraph in recognized.paragraphs:
            into.add(paragraph)

    def reason(self) -> tuple[str, str]:
        """(why no page was read, the next step)."""
        missing = self.missing()
        return missing or (next(iter(self.unread), "no letters were found on its pages"), "scan it again, at 300 dpi")

    def report(self) -> None:
        """Warn of the pages that were not read."""
        if not self.unread:
            return
        next_step = (self.missing() or ("", "scan these pages again, at 300 dpi"))[1]
        for reason, numbers in self.unread.items():
            pages = f"page{'s' if len(numbers) > 1 else ''} {_listed(numbers)}"
            warn(self.path, f"{pages} scanned and not read: {reason}", next_step)

    def _leave_out(self, reason: str, number: int) -> None:
        self.unread.setdefault(reason, []).append(number)

    def _recognize(self, number: int) -> ocr.Recognized:
        from pypdfium2 import PdfDocument

        if self._document is None:
            self._document = PdfDocument(self.path)
        page = self._document[number - 1]
        try:
            return ocr.recognize(page)
        finally:
            page.close()


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:10]))
    return f"{shown} and {len(numbers) - 10} more" if len(numbers) > 10 else shown
