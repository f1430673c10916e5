"""Bytes to text: the encoding that a file has, by its byte order mark, its declaration, strict UTF-8, or a guess."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

SURE = 0.15
"""chardet's confidence from which its guess is taken before Windows-1252: the wrong guesses on 100 short texts in 19
encodings had at most 0.13."""
SAMPLE_BYTES = 200_000
"""So much of the lines that are not ASCII is guessed from."""
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16: its mark begins with UTF-16's
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# What files of this name hold in fact: the larger set of the same family (WHATWG's Encoding Standard, section 4.2).
_LARGER = {
    "ascii": "windows-1252",
    "iso8859-1": "windows-1252",
    "cp1252": "windows-1252",
    "iso8859-9": "windows-1254",
    "iso8859-11": "windows-874",
    "tis-620": "windows-874",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
}
# Codecs of Python that are no encodings of files, or that take quadratic time.
_REFUSED = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_SHOWN = {
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32-le": "UTF-32",
    "utf-32-be": "UTF-32",
    "cp932": "Shift JIS",
}


@dataclass(frozen=True)
class Decoded:
    """A text, and how its bytes were read."""

    text: str
    encoding: str
    """A name that `bytes.decode` knows."""
    guessed: bool
    """Neither a byte order mark nor a declaration nor strict UTF-8 decided: whoever shows the text warns."""


def encoding_name(codec: str) -> str:
    """A codec's name as messages show it, in one spelling: Windows-1252, ISO-8859-2, UTF-8."""
    name = codecs.lookup(codec).name
    if name in _SHOWN:
        return _SHOWN[name]
    windows = re.fullmatch(r"(?:cp|windows-)(125\d|874)", name)
    return f"Windows-{windows[1]}" if windows else re.sub(r"^ISO(?=\d)", "ISO-", name.upper().replace("_", "-"))


def decode(data: bytes, declared: str | None = None) -> Decoded:
    """The text of a whole file, without its byte order mark; line ends stay as they are.

    `declared` is the name that the file or its envelope gives; a name that is unknown, or that the bytes contradict,
    counts for nothing. Raises UnicodeDecodeError where a byte order mark is wrong, where UTF-8 is damaged in places
    or holds NUL bytes, and where nothing fits; its `start` is the first byte that is not text in `encoding`.
    """
    mark = marked(data)
    if mark:
        return Decoded(data[len(mark[0]) :].decode(mark[1]), mark[1], guessed=False)
    if declared and (text := _as_declared(data, declared)) is not None:
        return Decoded(text, _known(declared) or declared, guessed=False)
    wide = unmarked_wide(data)
    if wide:
        return Decoded(data.decode(wide), wide, guessed=True)
    try:
        text = data.decode()
    except UnicodeDecodeError as e:
        if b"\0" in data or is_damaged_utf8(data):
            raise
        return _guess(data, e)
    if b"\x1b$" in data and (japanese := _try(data, "iso2022_jp_2")) is not None:
        return Decoded(japanese, "iso2022_jp_2", guessed=True)  # its bytes are all ASCII
    return Decoded(text, "utf-8", guessed=False)


def marked(data: bytes) -> tuple[bytes, str] | None:
    """The byte order mark that `data` begins with, and its encoding."""
    return next(((mark, name) for mark, name in _MARKS.items() if data.startswith(mark)), None)


def unmarked_wide(data: bytes) -> str | None:
    """UTF-16 without a byte order mark: every second byte of its ASCII characters is NUL, and no other one."""
    sample = data[: SAMPLE_BYTES & ~1]
    half = len(sample) // 2
    for name, zero, other in (("utf-16-le", sample[1::2], sample[::2]), ("utf-16-be", sample[::2], sample[1::2])):
        if half and 20 * zero.count(0) >= half and not other.count(0) and len(data) % 2 == 0:
            text = _try(data, name)
            if text is not None and not _CONTROL.search(text):
                return name
    return None


def is_damaged_utf8(data: bytes) -> bool:
    """Whether bytes that are not UTF-8 throughout hold more of its characters than bytes that are none."""
    characters = [c for c in data.decode(errors="surrogateescape") if c > "\x7f"]
    wrong = sum("\udc80" <= c <= "\udcff" for c in characters)
    return len(characters) - wrong >= wrong


def candidates(sample: bytes) -> Iterator[str]:
    """Encodings that a text without mark and declaration may have, the likeliest first."""
    import chardet

    found = chardet.detect_all(sample, ignore_threshold=True, encoding_era=chardet.EncodingEra.MODERN_WEB)
    names = [(_known(str(one["encoding"])), one["confidence"] or 0.0) for one in found if one["encoding"]]
    # UTF-16 and UTF-32 of a text with spaces or line ends hold NUL bytes, and such files are recognised before.
    fitting = [(name, confidence) for name, confidence in names if name and not name.startswith(("utf-16", "utf-32"))]
    yield from (name for name, confidence in fitting[:1] if confidence >= SURE)
    yield "windows-1252"
    yield from (name for name, _ in fitting)


def lines_beyond_ascii(data: bytes) -> bytes:
    """The lines that say something about the encoding, up to SAMPLE_BYTES."""
    lines = []
    size = 0
    for line in re.finditer(rb"[^\r\n]*[\x80-\xff][^\r\n]*[\r\n]*", data):
        lines.append(line[0])
        size += len(line[0])
        if size >= SAMPLE_BYTES:
            break
    return b"".join(lines)[:SAMPLE_BYTES]


def _guess(data: bytes, error: UnicodeDecodeError) -> Decoded:
    for name in candidates(lines_beyond_ascii(data)):
        text = _try(data, name)
        if text is not None:
            return Decoded(text, name, guessed=True)
    raise error


def _as_declared(data: bytes, declared: str) -> str | None:
    name = _known(declared)
    if name is None:
        return None
    if name.startswith(("utf-16", "utf-32")) and b"\0" not in data:
        text = _try(data, "utf-8")  # the declaration itself was read as ASCII
        if text is not None:
            return text
    return _try(data, name)


def _known(name: str) -> str | None:
    """The codec of an encoding's name: the larger one of its family."""
    name = name.strip().strip("'\"").lower()
    for spelling in (name, name.removeprefix("x-")):  # x-sjis, x-euc-jp
        try:
            codec = codecs.lookup(spelling).name
        except (LookupError, ValueError, UnicodeError):
            continue
        return None if codec.replace("-", "_") in _REFUSED else _LARGER.get(codec, codec)
    return None


def _try(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeError, LookupError):
        return None
