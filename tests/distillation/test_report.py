"""The lines of the terminal say how good the teacher is, what it cost, and what to do next."""

from __future__ import annotations

from pathlib import Path

import pytest

import domainkit
from domainkit.distillation.report import next_commands, report_lines
from tests.cli.command import domainkit as command
from tests.synthesis.scripted import Scripted


def test_the_teachers_quality_stands_with_its_interval(tmp_path: Path) -> None:
    known = [{"input": f"question number {n}", "target": "a" if n < 9 else "b"} for n in range(12)]
    done = domainkit.distil(known, Scripted(lambda text: "a"), out=tmp_path, kind="label", labels=["a", "b"])
    lines = list(report_lines(done))
    assert "The teacher is right on 75 % of 12 labelled rows (47 to 91)." in lines
    assert "Kind of task: label (as asked for). --kind names another." in lines
    assert any(line.startswith("The teacher: 12 calls, 1,200 tokens read and 600 written,") for line in lines)
    assert "Look whether the terms of the teacher's provider let you train on its answers." in lines
    assert next_commands(done)[0] == f"domainkit train --data {tmp_path / 'train.jsonl'} --out {tmp_path / 'adapter'}"


def test_rows_with_personal_data_are_counted(tmp_path: Path) -> None:
    inputs = ["write to ann.lee@posthof.at", "nothing here"]
    done = domainkit.distil(inputs, Scripted(lambda text: "yes"), out=tmp_path, kind="answer")
    assert done.personal_data == {"email": 1}


def test_the_command_asks_a_model_of_this_machine_and_names_it_for_compare(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "questions.txt").write_text("Where is my parcel?\nWho sent the invoice?\n", "utf-8")
    (tmp_path / "labels.json").write_text('["shipping", "billing"]', "utf-8")
    words = ["distil", "--teacher", tiny_base, "--inputs", tmp_path / "questions.txt", "--kind", "label"]
    done = command(*words, "--labels", tmp_path / "labels.json", "--out", tmp_path / "out", "samples=1")
    assert done.returncode == 0, done.stderr
    assert "2 rows of 2 questions" in done.stdout
    assert f"--model teacher={tiny_base}" in done.stdout
    assert "on this machine" in done.stdout
    refused = command("distil", "--inputs", tmp_path / "questions.txt", "--out", tmp_path / "out")
    assert (refused.returncode, "missing: --teacher" in refused.stderr) == (2, True)
