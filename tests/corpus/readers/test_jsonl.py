"""JSON Lines: a document per row; every faulty row is an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domainkit.corpus.readers.jsonl import read_jsonl
from domainkit.errors import DataError


def test_other_fields_are_meta_and_an_id_is_made_from_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 0, "title": null, "text": " One ", "year": 2019}\n\n{"text": "Two", "title": "T"}\n')
    first, second = read_jsonl(path, "a")
    assert (first.id, first.title, first.text, first.meta) == ("0", "", " One ", {"year": 2019})
    assert (second.id, second.title, second.source, second.line) == ("a:3", "T", f"{path}:3", 3)


def test_every_faulty_row_is_an_error_with_its_line(tmp_path: Path) -> None:
    rows = [
        {"text": "a"},
        {"body": "b"},
        {"text": ""},
        {"text": 1},
        {"text": "a", "id": ""},
        {"text": "a", "title": []},
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError) as caught:
        list(read_jsonl(path, "a"))
    assert [p.line for p in caught.value.problems] == [2, 3, 4, 5, 6]
    assert "rename 'body' to 'text'" in str(caught.value)
