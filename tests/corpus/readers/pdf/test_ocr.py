"""Text recognition: what is missing for it is named, and a page's words come out in lines."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from domainkit.corpus.readers.pdf import ocr
from tests.corpus.readers.pdf.drawn import read, scan


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


def test_what_is_missing_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "find_spec", lambda name: None)
    assert ocr.missing() == (
        "the package pytesseract is not installed",
        "pip install 'domainkit[ocr]', and install tesseract",
    )
    monkeypatch.setattr(ocr, "find_spec", lambda name: name)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    missing = ocr.missing()
    assert missing is not None
    assert missing[0] == "the program tesseract is not installed"


def test_words_become_lines_and_paragraphs() -> None:
    words = {
        "text": ["The", "keeper", " ", "counts", "Next"],
        "block_num": [1, 1, 1, 1, 2],
        "par_num": [1, 1, 1, 1, 1],
        "line_num": [1, 1, 1, 2, 1],
        "conf": [90, "80", -1, 100, 70],
    }
    found = ocr._recognized(words, unspaced=False)
    assert found == ocr.Recognized(("The keeper\ncounts", "Next"), 85.0)
    assert ocr._recognized(words, unspaced=True).paragraphs[0] == "Thekeeper\ncounts"
