"""Plain text: one document without a title."""

from __future__ import annotations

from pathlib import Path

from domainkit.corpus.readers.text import read_plain_text


def test_a_text_file_is_one_document_and_an_empty_one_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(" # Not a title.\n\nText. \n")
    [document] = read_plain_text(path, "name")
    assert (document.id, document.title, document.text) == ("name", "", "# Not a title.\n\nText.")
    path.write_text(" \n")
    assert list(read_plain_text(path, "name")) == []
