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


@pytest.mark.parametrize("codec, name", [("utf-16", "UTF-16"), ("utf-32", "UTF-32")])
def test_another_encoding_is_named(tmp_path: Path, codec: str, name: str) -> None:
    (tmp_path / "a.txt").write_bytes("text".encode(codec))
    _, problem = read_bytes(tmp_path / "a.txt")
    assert f"is {name} text, not UTF-8" in str(problem)


@pytest.mark.parametrize(
    "data, what",
    [(b"one\ntw\xffo", "a.txt:2: not UTF-8: byte 0xff at position 3"), (b"one\n\0", "a.txt:2: holds a NUL byte")],
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
