"""Scanned pages to text by tesseract, where it is installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image
    from pypdfium2 import PdfPage

LANGUAGES = "DOMAINKIT_OCR_LANGUAGES"
"""Environment variable: languages in tesseract's words, as `deu+eng`; left out, those of the page's script."""
DPI = 300
MAX_PIXELS = 25_000_000
PAGE_SECONDS = 60
SURE = 60.0
"""Mean confidence of the words, of 100, below which a page's text is a warning."""
# What tesseract calls the scripts of a page, and the languages that it knows in them.
_SCRIPTS = {
    "Japanese": ("jpn",),
    "Han": ("chi_sim", "chi_tra", "jpn"),
    "Hangul": ("kor",),
    "Korean": ("kor",),
    "Cyrillic": ("rus", "ukr", "bul", "srp", "bel", "mkd"),
    "Arabic": ("ara", "fas", "urd"),
    "Hebrew": ("heb", "yid"),
    "Greek": ("ell",),
    "Devanagari": ("hin", "mar", "nep", "san"),
    "Thai": ("tha",),
    "Bengali": ("ben",),
    "Tamil": ("tam",),
    "Telugu": ("tel",),
    "Georgian": ("kat",),
    "Armenian": ("hye",),
}
_OTHER_THAN_LATIN = {language for languages in _SCRIPTS.values() for language in languages}
_UNSPACED = {"jpn", "chi_sim", "chi_tra", "tha"}
_NO_LANGUAGES = ("osd", "equ")


@dataclass(frozen=True)
class Recognized:
    """What tesseract read on a page."""

    paragraphs: tuple[str, ...]
    confidence: float
    """Mean of the words, 0 to 100."""


class OcrError(Exception):
    """The page could not be read; the text says why."""


def missing() -> tuple[str, str] | None:
    """(what is missing for OCR, the next step); None where it can run."""
    if find_spec("pytesseract") is None or find_spec("PIL") is None:
        return "the package pytesseract is not installed", "pip install 'domainkit[ocr]', and install tesseract"
    if shutil.which("tesseract") is None:
        return "the program tesseract is not installed", "install it: apt install tesseract-ocr, brew install tesseract"
    wanted = os.environ.get(LANGUAGES)
    if wanted and (unknown := sorted(set(wanted.split("+")) - set(installed_languages()))):
        have = ", ".join(installed_languages()) or "none"
        return f"tesseract has no '{unknown[0]}', only {have}", f"install its package, or set {LANGUAGES}"
    if not installed_languages():
        return "tesseract has no languages", "install one: apt install tesseract-ocr-eng"
    return None


@cache
def installed_languages() -> tuple[str, ...]:
    """Tesseract's languages on this machine; those for Japanese, German, … are packages of their own."""
    import pytesseract

    return tuple(x for x in pytesseract.get_languages() if x not in _NO_LANGUAGES and "/" not in x)


def recognize(page: PdfPage) -> Recognized:
    """The text of a scanned page. Raises OcrError."""
    import pytesseract

    width, height = page.get_size()
    scale = min(DPI / 72, (MAX_PIXELS / max(1.0, width * height)) ** 0.5)
    picture = page.render(scale=scale, grayscale=True).to_pil()
    try:
        with _one_thread():
            languages = os.environ.get(LANGUAGES) or "+".join(_languages_of(picture))
            words = pytesseract.image_to_data(
                picture, lang=languages, timeout=PAGE_SECONDS, output_type=pytesseract.Output.DICT
            )
    except (pytesseract.TesseractError, RuntimeError, OSError) as e:
        raise OcrError(" ".join(str(e).split())[:200]) from None
    return _recognized(words, languages.split("+")[0] in _UNSPACED)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Threads of tesseract wait for one another more than they work. It takes its environment from this process, whose
    other children must not inherit the limit."""
    before = os.environ.get("OMP_THREAD_LIMIT")
    os.environ["OMP_THREAD_LIMIT"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_THREAD_LIMIT"]
        else:
            os.environ["OMP_THREAD_LIMIT"] = before


def _languages_of(picture: Image) -> list[str]:
    """The installed languages of the picture's script; of Latin ones at most three, for each takes its time."""
    import pytesseract

    known = installed_languages()
    latin = sorted((x for x in known if x not in _OTHER_THAN_LATIN), key=lambda x: x != "eng")
    if len(known) == 1 or "osd" not in pytesseract.get_languages():
        return latin[:3] or list(known[:1])
    try:
        script = pytesseract.image_to_osd(picture, timeout=PAGE_SECONDS, output_type=pytesseract.Output.DICT)["script"]
    except (pytesseract.TesseractError, RuntimeError, OSError, KeyError):
        script = "Latin"  # too few letters to tell
    return [x for x in _SCRIPTS.get(script, ()) if x in known] or latin[:3] or list(known[:1])


def _recognized(words: dict[str, list[Any]], unspaced: bool) -> Recognized:
    lines: dict[tuple[int, int], dict[int, list[str]]] = {}
    confidences = []
    for i, text in enumerate(words["text"]):
        if not text.strip():
            continue
        paragraph = lines.setdefault((words["block_num"][i], words["par_num"][i]), {})
        paragraph.setdefault(words["line_num"][i], []).append(text)
        confidences.append(float(words["conf"][i]))
    between = "" if unspaced else " "
    paragraphs = tuple("\n".join(between.join(line) for line in paragraph.values()) for paragraph in lines.values())
    return Recognized(paragraphs, sum(confidences) / len(confidences) if confidences else 0.0)
