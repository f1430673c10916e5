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
    grid.write_text(
        'tokens = 200\ndev_share = 0.3\nkind = "answer"\n[[grid]]\nmethod = "lora"\nlearning_rate = [1e-6, 1e-3]\n'
    )
    words = ["train", "--sweep", grid, "--data", data, "--base", tiny_base, "--out", tmp_path / "out"]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        settings = ["quantization=none", "batch_size=4", "metrics=exact_match,token_f1"]
        patch.setattr(sys, "argv", ["domainkit", *map(str, words), *settings])
        patch.setenv("COLUMNS", "200")
        try:
            main()
        except SystemExit as e:
            code = int(e.code or 0)
    assert code == 0, err.getvalue()
    text = out.getvalue()
    assert "200 training tokens each; 12 development questions" in text
    assert "Best on the development part by exact_match: lora learning_rate=" in text
    assert f"Next, retrain on all: domainkit train --data {data} --base {tiny_base} --method lora" in text
    kept = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert [row["metric"] for row in kept["rows"]] == ["exact_match"] * 2
    assert all(0 <= row["score"] <= 1 for row in kept["rows"])


@pytest.mark.parametrize(
    ("words", "choose_by", "said"),
    [
        (["--sweep", "sweep.toml", "metrics=token_f2"], "score", "did you mean 'token_f1'?"),
        (
            ["--sweep", "sweep.toml", "metrics=token_f1"],
            "score",
            "is for answer tasks, and this is",
        ),
        (["--sweep", "sweep.toml", "metrics=macro_f1"], "score", "the verdict needs a score of each answer"),
        (["--sweep", "sweep.toml", "kind=answer"], "loss", "kind=answer is given, and the sweep chooses by the loss"),
        (["metrics=token_f1"], "score", "'metrics' says what a sweep chooses by, and this is none"),
    ],
)
def test_a_metric_that_cannot_choose_is_refused_before_anything_is_trained(
    words: list[str],
    choose_by: str,
    said: str,
    tiny_base: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"input": f"say {i}", "target": ("red", "blue")[i % 2]} for i in range(20)]
    Path("train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    Path("sweep.toml").write_text(f'tokens = 200\nchoose_by = "{choose_by}"\n[[grid]]\nmethod = "lora"\n')
    base = ["--data", "train.jsonl", "--base", tiny_base, "--out", "out", "quantization=none"]
    monkeypatch.setattr(sys, "argv", ["domainkit", "train", *words, *base])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main()
    assert said in capsys.readouterr().err
    assert not Path("out").exists()


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
