"""Rows that belong together stay in one part, and sizes that cannot be reached are said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit import split
from domainkit.errors import ConfigError
from domainkit.splitting.divide import sha256_rows


def write(path: Path, data: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in data), encoding="utf-8")
    return path


def test_documents_and_groups_stay_whole(tmp_path: Path) -> None:
    texts = [
        "how long do bees live in winter",
        "the price of honey at the market",
        "when does one treat mites",
        "is wax worth selling",
        "feeding sugar in autumn",
        "swarms leave in May",
    ]
    data = [
        {"input": f"{text} {word}", "target": f"{word} {text[::-1]}", "doc_ids": [f"d{i}"], "team": f"t{i // 2}"}
        for i, text in enumerate(texts * 3)
        for word in ("alpha", "beta")
    ]
    file = write(tmp_path / "rows.jsonl", data)
    made = split(file, test=0.3, dev=0)
    assert made.method.by == "document"
    assert not {d for e in made.train for d in e.doc_ids} & {d for e in made.test for d in e.doc_ids}
    by_team = split(file, by="group", field="team", test=0.3, dev=0)
    teams = {
        part: {r["team"] for r, p in zip(by_team.rows, by_team.parts, strict=True) if p == part} for part in (0, 2)
    }
    assert not teams[0] & teams[2]
    with pytest.raises(ConfigError, match=r"--by group: no row has the field 'customer'\n  next: name it with --field"):
        split(file, by="group", field="customer")


def test_rows_of_one_conversation_stay_together_however_rows_are_divided(tmp_path: Path) -> None:
    words = [f"{a}{b}" for a in "abcdefghij" for b in "klmnopqrst"]
    data = [
        {"input": " ".join(words[i * 4 : i * 4 + 4]), "target": f"answer {i}", "conversation_id": f"c{i // 3}"}
        for i in range(24)
    ]
    made = split(write(tmp_path / "rows.jsonl", data), by="random", test=0.3, dev=0.1)
    parts = [
        {p for row, p in zip(made.rows, made.parts, strict=True) if row["conversation_id"] == f"c{i}"} for i in range(8)
    ]
    assert all(len(part) == 1 for part in parts)
    assert len(set().union(*parts)) > 1


def test_time_puts_the_newest_in_test_and_says_the_cut(tmp_path: Path) -> None:
    words = [f"{a}{b}" for a in "abcdefghij" for b in "klmnopqrst"]
    data = [
        {"input": " ".join(words[i * 4 : i * 4 + 4]), "target": f"answer {i}", "date": f"2026-01-{i + 1:02}"}
        for i in range(20)
    ]
    data[2]["input"] = f"{data[19]['input']}!"  # a near-duplicate of the newest
    made = split(write(tmp_path / "rows.jsonl", data), by="time", test=0.2, dev=0.1)
    dates = {part: [r["date"] for r, p in zip(made.rows, made.parts, strict=True) if p == part] for part in (0, 1, 2)}
    assert max(dates[0]) < min(dates[1])
    assert sorted(dates[2])[1:] > [max(dates[1])]
    assert "2026-01-03" in dates[2]
    assert any("train ends with 2026-01-1" in note for note in made.notes)
    assert "1 older row stands in test, beside newer near-duplicates" in made.notes


def test_sizes_that_cannot_be_reached_are_said(tmp_path: Path) -> None:
    data = [
        {"input": f"{w} one two", "target": w[::-1], "group": "large" if i else "small"}
        for i, w in enumerate("abcdefgh")
    ]
    made = split(write(tmp_path / "rows.jsonl", data), by="group", test=0.4, dev=0)
    assert [len(made.train), len(made.test)] == [7, 1]
    assert "test has 12.5% of the rows, not 40.0%: the largest set of rows that stay together has 7" in made.notes


def test_the_hash_of_rows_does_not_depend_on_their_order() -> None:
    assert sha256_rows([{"a": 1}, {"b": 2}]) == sha256_rows([{"b": 2}, {"a": 1}])
    assert sha256_rows([{"a": 1}]) != sha256_rows([{"a": 1}, {"a": 1}])
