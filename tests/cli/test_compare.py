"""The comparison's exit code says whether every variant could be scored."""

from __future__ import annotations

import json
from pathlib import Path

from domainkit import Results
from tests.cli.command import domainkit as command


def write(path: Path, texts: list[str]) -> Path:
    rows = [{"input": text, "target": ("red", "blue")[i % 2]} for i, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_variant_whose_questions_all_fail_ends_with_exit_code_1(tiny_base: str, tmp_path: Path) -> None:
    """The questions are longer than the base reads."""
    train = write(tmp_path / "train.jsonl", [f"say {i}" for i in range(8)])
    words = ["compare", "--train", train, "--base", tiny_base, "kind=label", "max_tokens=4", "latency_items=0"]
    words += ["--variants", "classical,zero-shot"]
    task = write(tmp_path / "test.jsonl", [f"say {i} {'x' * 3000}" for i in range(4)])
    done = command(*words, "--task", task, "--out", tmp_path / "run")
    assert done.returncode == 1
    assert "error: no score for zero-shot: the report says why" in done.stderr
    assert "Cannot tell: zero-shot gave no answer that could be scored" in " ".join(done.stdout.split())
    assert Results.load(tmp_path / "run").failed == ("zero-shot",)
    assert command(*words, "--task", train, "--out", tmp_path / "short").returncode == 0
