"""Scanned pages are read within their time, or named as not read with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.corpus.readers.marked_text import MarkedText
from domainkit.corpus.readers.pdf import ocr
from domainkit.corpus.readers.pdf.scans import Scans
from domainkit.corpus.reading import collecting_warnings
from domainkit.errors import DataError
from tests.corpus.readers.pdf.drawn import read, scan


def test_a_scan_without_text_recognition_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "missing", lambda: ("the program tesseract is not installed", "install it"))
    path = scan(tmp_path / "a.pdf", "Bees")
    what = r"is scanned: none of its 1 pages was read \(the program tesseract is not installed\)\n  next: install it"
    with pytest.raises(DataError, match=what):
        read(path)


def test_pages_are_named_by_the_reason_why_they_were_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "missing", lambda: None)
    results = iter([ocr.OcrError("out of ink"), ocr.Recognized(("x?",), 12.0), ocr.Recognized(("Bees", "fly."), 95.04)])

    def recognize(page: object) -> ocr.Recognized:
        result = next(results)
        if isinstance(result, ocr.OcrError):
            raise result
        return result

    monkeypatch.setattr(ocr, "recognize", recognize)
    text = MarkedText()
    with collecting_warnings() as warnings, Scans(scan(tmp_path / "a.pdf", "a", "b", "c", "d")) as scans:
        for number in (1, 2, 3):
            scans.add(number, text)
        scans._until = 0.0
        scans.add(4, text)
        scans.report()
    assert scans.read == {3: 95.0}
    assert [part.text for part in text.parts] == ["Bees", "fly."]
    assert [p.what for p in warnings] == [
        "page 1 scanned and not read: tesseract failed: out of ink",
        "page 2 scanned and not read: its words were recognized with a confidence below 60 of 100",
        "page 4 scanned and not read: 15 minutes of text recognition were not enough",
    ]
