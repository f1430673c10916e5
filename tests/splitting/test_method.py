"""What rows show decides how they are split, and is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit.corpus.read_files import read_with_rows
from domainkit.errors import ConfigError, DataError
from domainkit.splitting.method import Method, choose_method, has_labels


def chosen(tmp_path: Path, rows: list[dict[str, Any]], by: str | None = None, field: str | None = None) -> Method:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return choose_method(*read_with_rows(file)[1:3], by, field)


def questions(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [
        {"input": f"q{i}", "target": f"t{i}", **{k: v(i) if callable(v) else v for k, v in fields.items()}}
        for i in range(count)
    ]


def test_what_rows_show(tmp_path: Path) -> None:
    assert chosen(tmp_path, questions(20)).by == "random"
    assert chosen(tmp_path, questions(20, target=lambda i: "ab"[i % 2])).by == "label"
    assert chosen(tmp_path, questions(20, doc_ids=lambda i: [f"d{i // 2}"])).by == "document"
    assert chosen(tmp_path, questions(20, doc_ids=lambda i: [f"d{i}"])).by == "random"
    assert chosen(tmp_path, questions(30, group=lambda i: i // 2)).by == "group"


def test_a_group_of_few_values_is_named_and_not_used(tmp_path: Path) -> None:
    method = chosen(tmp_path, questions(20, group=lambda i: "ab"[i % 2]))
    assert method.by == "random"
    assert method.notes == ("the field 'group' has 2 values and was not used: --by group keeps each on one side",)


def test_rows_without_a_group_are_counted(tmp_path: Path) -> None:
    method = chosen(tmp_path, questions(20, team=lambda i: i // 2 if i else None), "group", "team")
    assert method.notes == (f"1 row without a group, the first at {tmp_path / 'rows.jsonl'}:1: each stands alone",)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row names its documents"):
        chosen(tmp_path, questions(3), "document")
    with pytest.raises(
        ConfigError, match=r"--by time: no row has the field 'time'\n  next: name it with --field: rows have"
    ):
        chosen(tmp_path, questions(3), "time")
    with pytest.raises(ConfigError, match="'03/04/2024' in 'date' may be day/month or month/day"):
        chosen(tmp_path, questions(3, date="03/04/2024"), "time")


def test_the_time_field_is_found_by_its_usual_names(tmp_path: Path) -> None:
    method = chosen(tmp_path, questions(3, Created_At=lambda i: f"2026-01-0{i + 1}"), "time")
    assert method.field == "Created_At"
    assert len(method.times) == 3


def test_labels_repeat(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"input": "a", "target": "b"}\n', encoding="utf-8")
    assert not has_labels(read_with_rows(file).examples)
