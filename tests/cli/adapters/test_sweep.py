"""domainkit train --sweep: the grid is trained, scored by compare's own chain, and the winner's command is printed."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from domainkit.cli import main


def test_a_sweep_prints_its_table_and_the_winners_command(tiny_base: str, tmp_path: Path) -> None:
    data, grid = tmp_path / "train.jsonl", tmp_path / "sweep.toml"
    rows = [{"input": f"say {('red', 'blue')[i % 2]} {i}", "target": ("red", "blue")[i % 2]} for i in range(40)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    grid.write_text('tokens = 200\ndev_share = 0.3\n[[grid]]\nmethod = "lora"\nlearning_rate = [1e-6, 1e-3]\n')
    words = ["train", "--sweep", grid, "--data", data, "--base", tiny_base, "--out", tmp_path / "out"]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["domainkit", *map(str, words), "quantization=none", "batch_size=4"])
        patch.setenv("COLUMNS", "200")
        try:
            main()
        except SystemExit as e:
            code = int(e.code or 0)
    assert code == 0, err.getvalue()
    text = out.getvalue()
    assert "200 training tokens each; 12 development questions" in text
    assert "Best on the development part by label_accuracy: lora learning_rate=" in text
    assert f"Retrain on all: domainkit train --data {data} --base {tiny_base} --method lora" in text
    kept = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert [row["metric"] for row in kept["rows"]] == ["label_accuracy"] * 2
    assert all(0 <= row["score"] <= 1 for row in kept["rows"])


def test_a_sweep_that_would_score_rows_with_tools_says_so_before_it_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, grid = tmp_path / "train.jsonl", tmp_path / "sweep.toml"
    row = {"input": "How?", "target": "So.", "tools": [{"type": "function", "function": {"name": "add"}}]}
    data.write_text(json.dumps(row) + "\n", encoding="utf-8")
    grid.write_text('tokens = 200\n[[grid]]\nmethod = "lora"\n')
    words = ["train", "--sweep", grid, "--data", data, "--out", tmp_path / "out"]
    monkeypatch.setattr(sys, "argv", ["domainkit", *map(str, words)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert "train.jsonl:1" in said
    assert 'uses tools, and a sweep that chooses by "score", not by "loss", asks plain questions' in said
    assert not (tmp_path / "out").exists()
