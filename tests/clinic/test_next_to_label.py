"""Rows to label next: uncertain, spread, new, and written to be filled in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domainkit.clinic import next_to_label as module
from domainkit.clinic.next_to_label import choose_rows, next_to_label
from domainkit.errors import ConfigError, DataError
from domainkit.evaluation.classical import Vectors
from tests.cli.command import domainkit


def embed(texts: Sequence[str]) -> np.ndarray:
    """Each text "x y" as the point (x, y) on a circle."""
    points = np.array([[float(x) for x in text.split()[:2]] for text in texts], np.float32)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_rows_between_the_labels_are_chosen_and_spread() -> None:
    solved = [f"{x} {y} {i}" for i in range(10) for x, y in ((1, 0), (0, 1), (-1, 0))]
    labels = ["right", "up", "left"] * 10
    pool = [f"{x} {y} {i}" for i in range(30) for x, y in ((1, 0), (0.99, 0.01), (0, 1))]
    pool += [f"1 {1 + i / 100}" for i in range(30)] + ["-1 1.01"]
    chosen = choose_rows(solved, labels, pool, Vectors(embed, embed), 2)
    assert len(chosen) == 2
    assert {frozenset(c.guesses) for c in chosen} == {frozenset(("right", "up")), frozenset(("left", "up"))}
    assert all(c.unsure > 0.2 for c in chosen)
    assert choose_rows(solved, labels, pool, Vectors(embed, embed), 2) == chosen


def test_free_answers_are_chosen_by_distance() -> None:
    [one] = choose_rows(["1 0", "0 1"], None, ["1 0.1", "-1 -1", "0.1 1"], Vectors(embed, embed), 1)
    assert (one.row, one.guesses) == (1, ())
    assert len(choose_rows(["1 0"], None, ["1 0.1", "0 1"], Vectors(embed, embed), 9)) == 2


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setattr(module, "_vectors", lambda labelled, pool, report: Vectors(embed, embed))
    data = [{"input": f"{x} {y} {i}", "target": t} for i in range(9) for x, y, t in ((1, 0, "a"), (0, 1, "b"))]
    pool: list[dict[str, Any]] = [{"Text": f"1 {1 + i / 50}", "n": i, "target": ""} for i in range(20)]
    pool += [{"Text": "1 0 3"}, {"Text": "1 1.0"}]
    for name, rows in (("data", data), ("pool", pool)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path / "data.jsonl", tmp_path / "pool.jsonl"


def test_the_rows_are_written_to_be_filled_in(files: tuple[Path, Path], tmp_path: Path) -> None:
    data, pool = files
    done = domainkit("check", data, "--label-next", pool, "--n", "3", "--out", tmp_path / "fill.jsonl")
    assert done.returncode == 0, done.stderr
    assert "note: 1 rows are left out" in done.stdout or "note: 2 rows are left out" in done.stdout
    assert "fill in each target" in done.stdout
    rows = [json.loads(line) for line in (tmp_path / "fill.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 3
    assert all(row["target"] == "" and sorted(row["guesses"]) == ["a", "b"] and "n" in row for row in rows)
    again = domainkit("check", data, "--label-next", pool, "--out", tmp_path / "fill.jsonl")
    assert "labels may be in it" in again.stderr


def test_rows_without_a_text_are_named(files: tuple[Path, Path]) -> None:
    data, pool = files
    pool.write_text('{"input": "1 1"}\n{"input": " "}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"pool.jsonl:2: 'input' holds no text\n  next: fill it in"):
        next_to_label(data, pool)
    pool.write_text('{"body": "1 1"}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="no field holds the text of a row; its fields: body\n  next: name"):
        next_to_label(data, pool)
    with pytest.raises(ConfigError, match="every row is labelled already"):
        next_to_label(data, data)
    with pytest.raises(ConfigError, match="n=0 is not at least 1"):
        next_to_label(data, pool, n=0)
