"""What is refused before any library opens an archive."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from domainkit.corpus.archive import check_archive
from domainkit.errors import DataError


def archive(path: Path, **parts: bytes | str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in parts.items():
            out.writestr(name.replace("__", "/") + ".xml", data)
    return path


DTD = '<?xml version="1.0"?><!DOCTYPE a SYSTEM "a.dtd"><a/>'
ENTITY = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>'


@pytest.mark.parametrize(
    "part, what",
    [
        (DTD, "declares a document type in p.xml"),
        (ENTITY, "declares entities in p.xml"),
        (f"<!--{'x' * 3_000_000}-->{ENTITY}", "declares entities"),
        (ENTITY.encode("utf-16"), "declares entities"),
        (b"\0" * 60_000_000, "unpacks to 57 MiB from 0.1: a decompression bomb"),
    ],
)
def test_harmful_parts_are_refused(tmp_path: Path, part: bytes | str, what: str) -> None:
    with pytest.raises(DataError, match=what):
        check_archive(archive(tmp_path / "a.docx", p=part))


def test_books_may_declare_a_document_type_but_no_entities(tmp_path: Path) -> None:
    check_archive(archive(tmp_path / "a.epub", p=DTD), allow_doctype=True)
    with pytest.raises(DataError, match="declares entities"):
        check_archive(archive(tmp_path / "b.epub", p=ENTITY), allow_doctype=True)


@pytest.mark.parametrize("name", ["../../evil.xml", "/etc/evil", "a\\..\\..\\b", "C:/evil"])
def test_names_that_leave_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as out:
        out.writestr(name, "x")
    with pytest.raises(DataError, match="which leaves the file"):
        check_archive(tmp_path / "a.docx")


def test_a_declared_size_that_lies_is_found(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.docx", p=b"<a>" + b" " * 1_000_000 + b"</a>")
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")  # the size in the directory
    path.write_bytes(data)
    with pytest.raises(DataError, match="is damaged"):
        check_archive(path)


@pytest.mark.parametrize(
    "data, what",
    [
        (b"", "is empty\n  next: delete it"),
        (b"no zip", "is damaged: File is not a zip file"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + b"x" * 99, "is of the format before 2007"),
    ],
)
def test_what_is_no_archive_is_named(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "a.docx").write_bytes(data)
    with pytest.raises(DataError, match=what):
        check_archive(tmp_path / "a.docx")
