"""Text files: a file that is not UTF-8 text is a Problem that says why."""

from __future__ import annotations

from pathlib import Path

import pytest

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
