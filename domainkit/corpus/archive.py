"""Archives of untrusted files: what a zip says of itself is checked before any library opens it."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import Literal

from domainkit.errors import DataError, Problem

MAX_ENTRIES = 10_000
MAX_BYTES = 200 * 2**20
MAX_RATIO = 200
"""Unpacked bytes for each byte of the file; text in XML packs to a tenth."""
SMALL_BYTES = 20 * 2**20
"""An archive that unpacks to less is not a bomb, whatever its ratio: a workbook of equal cells packs very well."""
PROTECTED, WITHOUT_PASSWORD = "is password-protected", "save a copy without the password"
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_MARKUP = (".xml", ".rels", ".opf", ".ncx", ".xhtml", ".html", ".htm", ".svg", ".vml")
_DECLARATION = re.compile(rb"<!(ENTITY|DOCTYPE)", re.IGNORECASE)


def check_archive(path: Path, *, allow_doctype: bool = False) -> None:
    """Raise DataError for an archive that could do harm, is encrypted, damaged, or no archive.

    Refused are more than MAX_ENTRIES entries, more than MAX_BYTES unpacked, names that leave the archive, and document
    type declarations; with `allow_doctype` those without entities pass, which XHTML has.
    """
    _check_kind(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(path, entries)
            _check_bytes(path, archive, entries, allow_doctype)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as e:
        raise refused(path, f"is damaged: {e}", "save it again from the program that made it") from None
    except RuntimeError:  # what zipfile raises for an encrypted entry
        raise refused(path, PROTECTED, WITHOUT_PASSWORD) from None


def refused(path: Path, what: str, next_step: str) -> DataError:
    """The error of a file that is not read."""
    return DataError([Problem(str(path), None, what, next_step)])


def _check_kind(path: Path) -> None:
    if path.stat().st_size == 0:
        raise refused(path, "is empty", "delete it, or copy it again")
    held = ole_kind(path)
    if held == "encrypted":
        raise refused(path, PROTECTED, WITHOUT_PASSWORD)
    if held is not None:
        raise refused(path, "is of the format before 2007", f"save it again as {path.suffix.lower()}")


def ole_kind(path: Path) -> Literal["encrypted", "workbook", "other"] | None:
    """What a file of Microsoft's older container holds: a password-protected file of a newer format, a workbook as in
    .xls, or another document. None for a file that is no such container."""
    with path.open("rb") as f:
        if f.read(8) != _OLE:
            return None
        data = f.read(MAX_BYTES)
    names = ("EncryptedPackage", "Workbook", "Book")
    streams = {name for name in names if f"{name}\0".encode("utf-16-le") in data}
    return "encrypted" if "EncryptedPackage" in streams else "workbook" if streams else "other"


def _check_entries(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_ENTRIES:
        what = f"has {len(entries):,} parts; at most {MAX_ENTRIES:,} are read"
        raise refused(path, what, "split the document")
    unpacked, packed = sum(e.file_size for e in entries), max(path.stat().st_size, 1)
    if unpacked > MAX_BYTES or (unpacked > SMALL_BYTES and unpacked > MAX_RATIO * packed):
        what = f"unpacks to {unpacked / 2**20:,.0f} MiB from {packed / 2**20:,.1f}: a decompression bomb"
        raise refused(path, what, "if you trust it, save it again from the program that made it, or split it")
    for entry in entries:
        parts = entry.filename.replace("\\", "/").split("/")
        if ".." in parts or entry.filename.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", entry.filename):
            what = f"holds a part named '{entry.filename[:80]}', which leaves the file"
            raise refused(path, what, "do not trust it; save it again from the program that made it")


def _check_bytes(path: Path, archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], allow_doctype: bool) -> None:
    """Sizes can lie: what is unpacked is counted, and looked through for declarations."""
    total = 0
    for entry in entries:
        if entry.flag_bits & 1:
            raise RuntimeError("encrypted")
        if not entry.filename.lower().endswith(_MARKUP):
            continue
        end_of_block = b""
        with archive.open(entry) as stream:
            while block := stream.read(2**20):
                total += len(block)
                if total > MAX_BYTES:
                    raise refused(path, "unpacks to more than it says: a decompression bomb", "do not trust it")
                _check_declarations(path, entry.filename, end_of_block + block, allow_doctype)
                end_of_block = block[-20:]


def _check_declarations(path: Path, part: str, block: bytes, allow_doctype: bool) -> None:
    """In text and attributes `<` is written `&lt;`, so `<!DOCTYPE` is a declaration wherever it stands."""
    # Without its NUL bytes UTF-16 can be looked through, too.
    found = {m.upper() for text in {block, block.replace(b"\0", b"")} for m in _DECLARATION.findall(text)}
    if b"ENTITY" in found or (found and not allow_doctype):
        what = f"declares {'entities' if b'ENTITY' in found else 'a document type'} in {part}"
        next_step = "such declarations can read other files; save it again from the program that made it"
        raise refused(path, what, next_step)
