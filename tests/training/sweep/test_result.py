"""The best row of a sweep, and the command that trains with its settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit.training.sweep.result import Row, SweepResult, choose, retrain, table, write_result


def row(name: str, **figures: Any) -> Row:
    return Row(name=name, settings={"seed": 1}, folder=name, epochs=2.0, **figures)


GOOD = row("good", score=0.9, metric="accuracy", dev_loss=0.5, parameters=1200, file_bytes=5_000_000)
SURE = row("sure", score=0.9, metric="accuracy", dev_loss=0.4)
LOW = row("low", score=0.2, metric="accuracy", dev_loss=0.1)
UNSCORED = row("unscored", dev_loss=0.3)
FAILED = row("failed", error="MachineError: no memory")


@pytest.mark.parametrize(
    ("rows", "criterion", "wanted"),
    [
        ([GOOD, SURE, LOW], "score", (SURE, "accuracy")),
        ([GOOD, LOW, FAILED], "loss", (LOW, "dev loss")),
        ([GOOD, UNSCORED], "score", (UNSCORED, "dev loss")),
        ([FAILED], "score", (None, "score")),
    ],
    ids=["loss between equal scores", "loss", "a score is missing", "none is done"],
)
def test_the_best_row(rows: list[Row], criterion: str, wanted: tuple[Row | None, str]) -> None:
    assert choose(rows, criterion) == wanted


def test_a_row_is_a_line_of_the_table_and_an_error_stands_in_it() -> None:
    heading, *lines = table([GOOD, FAILED], GOOD)
    assert all(len(line) == len(heading) for line in lines)
    assert lines[0][:4] == ("*", "good", "0.900", "0.500")
    assert lines[0][5:7] == ("1,200", "5.00 MB")
    assert lines[1][:4] == ("", "failed", "failed", "MachineError: no memory")


def test_the_files_hold_every_row(tmp_path: Path) -> None:
    write_result(tmp_path, {"tokens": 5}, {}, SweepResult([GOOD, FAILED], GOOD, "accuracy", []))
    kept = json.loads((tmp_path / "sweep.json").read_text())
    assert (kept["winner"], [Row(**r) for r in kept["rows"]]) == ("good", [GOOD, FAILED])
    lines = (tmp_path / "sweep.md").read_text().splitlines()
    assert [line.count("|") for line in lines] == [10] * 4


def test_the_command_has_the_winner_and_its_epochs() -> None:
    settings = {"base": "b", "batch_size": 4, "mix": [0.5, 0.5]}
    best = SweepResult([GOOD], GOOD, "accuracy", [])
    options = "--base b --out out batch_size=4 'mix=[0.5, 0.5]' seed=1 epochs=2"
    assert retrain(best, settings, "d.jsonl", "out") == f"domainkit train --data d.jsonl {options}"
    columns = {"input": "Frage", "target": "Answer, final"}
    mapped = """--map 'input=Frage,target="Answer, final"'"""
    assert retrain(best, settings, "a b.csv", "out", columns) == f"domainkit train --data 'a b.csv' {mapped} {options}"
    assert retrain(SweepResult([FAILED], None, "loss", []), settings, "d.jsonl", "out") == ""
