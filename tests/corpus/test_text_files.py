"""Text files: a file that is not UTF-8 text is a Problem that says why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domainkit.corpus.check import check
from domainkit.corpus.read_files import read_documents
from domainkit.corpus.text_files import missing_path, read_bytes, read_text
from domainkit.errors import DataError


def test_line_ends_become_newlines_and_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree")
    assert read_text(tmp_path / "a.txt") == "one\ntwo\nthree"


@pytest.mark.parametrize("codec", ["utf-16", "utf-32", "utf-16-le"])
def test_another_encoding_is_read(tmp_path: Path, codec: str) -> None:
    (tmp_path / "a.txt").write_bytes("one\r\ntwo".encode(codec))
    assert read_text(tmp_path / "a.txt") == "one\ntwo"


def test_a_byte_order_mark_that_is_wrong_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfeab\x00")
    with pytest.raises(DataError, match=r"a.txt: is UTF-16 by its byte order mark, but not at byte 1\n  next: save"):
        read_text(tmp_path / "a.txt")


def test_a_guess_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.txt").write_bytes("Straße".encode("cp1252"))
    assert read_text(tmp_path / "a.txt") == "Straße"
    assert "a.txt: is not UTF-8, and does not say what it is: read as Windows-1252, which is a guess" in caplog.text


@pytest.mark.parametrize(
    "data, what",
    [(b"\xc3\xa9\ntw\xffo", "a.txt:2: not UTF-8: byte 0xff at position 3"), (b"one\n\0", "a.txt:2: holds a NUL byte")],
)
def test_bytes_that_are_not_text_are_an_error_with_their_line(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(DataError, match=what):
        read_text(tmp_path / "a.txt")


def test_a_missing_file_names_a_similar_one(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("{}")
    missing = "no such file or folder\n  next: "
    assert missing + "did you mean 'train.jsonl'?" in str(missing_path(tmp_path / "trian.jsonl"))
    assert missing + "check the path" in str(missing_path(tmp_path / "nowhere" / "x.jsonl"))


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert "is a folder, not a file" in str(read_bytes(tmp_path)[1])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pipe.txt", "cannot be read: it is a pipe, not a file"),
        ("/dev/zero", "cannot be read: it is a device, not a file"),
        ("a" * 5000 + ".txt", "cannot be read: file name too long"),
        ("nul\0.txt", "is not a path: embedded null"),
        ("folder", "is a folder, not a file"),
        ("plain.txt/x.txt", "no such file or folder"),
    ],
)
def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path, name: str, said: str) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain.txt").write_text("text")
    data, problem = read_bytes(tmp_path / name)
    assert (data, problem is not None) == (b"", True)
    assert said in str(problem)
    assert [p.severity for p in check(tmp_path / name)] == ["error"]


def test_a_pipe_among_the_documents_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "plain.txt").write_text("text")
    with pytest.raises(DataError, match="it is a pipe, not a file"):
        read_documents(tmp_path)
