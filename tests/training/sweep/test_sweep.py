"""A sweep trains every cell on the same tokens, goes on after an interruption, loads one base, and names the best."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit.corpus.example import Example, Turn
from domainkit.corpus.split import split
from domainkit.errors import ConfigError
from domainkit.training.sweep import sweep as sweep_module
from domainkit.training.sweep.grid import Grid, parse_grid
from domainkit.training.sweep.result import Row, retrain, table
from domainkit.training.sweep.sweep import sweep

WORDS = ("red", "blue", "green")
ROWS = [
    Example(turns=(Turn(role="user", content=f"{w} {i}"), Turn(role="assistant", content=w)), source="x.jsonl:1")
    for i in range(6)
    for w in WORDS
]
TOKENS = 300


def grid(*tables: dict[str, Any], **changes: Any) -> Grid:
    return parse_grid({"tokens": TOKENS, "dev_share": 0.3, "choose_by": "loss", "grid": list(tables), **changes})


def settings(base: str) -> dict[str, Any]:
    return {"base": base, "quantization": "nf4", "batch_size": 4}


def quiet(_: Any) -> None:
    pass


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bases that were loaded."""
    seen: list[str] = []
    real = sweep_module.load_base

    def counted(base: str, **options: Any) -> Any:
        seen.append(base)
        return real(base, **options)

    monkeypatch.setattr(sweep_module, "load_base", counted)
    return seen


def test_the_best_rate_wins_on_the_same_tokens_over_one_base(tiny_base: str, tmp_path: Path, loads: list[str]) -> None:
    tables = (
        {"method": "lora", "learning_rate": [1e-5, 1e-2], "method.rank": 4},
        {"method": "loreft", "learning_rate": 1e-5},
        {"method": "ia3", "learning_rate": 1e-5},
    )
    done = sweep(ROWS, grid(*tables), settings(tiny_base), tmp_path, on_progress=quiet)
    assert [r.name for r in done.rows] == [
        "lora learning_rate=1e-05 rank=4",
        "lora learning_rate=0.01 rank=4",
        "loreft learning_rate=1e-05",
        "ia3 learning_rate=1e-05",
    ]
    assert [r.error for r in done.rows] == [None] * 4
    assert done.winner == done.rows[1]
    assert done.chosen_by == "dev loss"
    assert loads == [tiny_base]
    _fit, dev = split(ROWS, 0.3, 0)
    assert done.dev == dev
    tokens = [r.tokens for r in done.rows]
    assert len(set(tokens)) == 1
    assert tokens[0] == pytest.approx(TOKENS, rel=0.35)
    first = done.rows[0]
    assert first.parameters is not None
    assert (first.file_bytes or 0) > 4 * first.parameters
    assert first.peak_bytes
    assert first.seconds


def test_a_shared_base_gives_what_a_fresh_one_gives(tiny_base: str, tmp_path: Path) -> None:
    both = ({"method": "ia3", "learning_rate": 1e-2}, {"method": "lora", "learning_rate": 1e-3})
    together = sweep(ROWS, grid(*both), settings(tiny_base), tmp_path / "both", on_progress=quiet)
    alone = sweep(ROWS, grid(both[1]), settings(tiny_base), tmp_path / "one", on_progress=quiet)
    assert together.rows[1].dev_loss == alone.rows[0].dev_loss


def test_finished_runs_are_not_run_again(tiny_base: str, tmp_path: Path, loads: list[str]) -> None:
    tables = {"method": "lora", "learning_rate": [1e-3, 1e-2]}

    def stop(row: Row) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(ROWS, grid(tables), settings(tiny_base), tmp_path, on_row=stop, on_progress=quiet)
    first = next(tmp_path.glob("*/row.json"))
    before = first.stat().st_mtime_ns
    done = sweep(ROWS, grid(tables), settings(tiny_base), tmp_path, on_progress=quiet)
    assert len(done.rows) == 2
    assert first.stat().st_mtime_ns == before
    loads.clear()
    assert sweep(ROWS, grid(tables), settings(tiny_base), tmp_path, on_progress=quiet).rows == done.rows
    assert loads == []
    other = [*ROWS[:-1], ROWS[-1].model_copy(update={"turns": (Turn(role="user", content="new"), ROWS[-1].turns[-1])})]
    sweep(other, grid({"method": "lora", "learning_rate": 1e-3}), settings(tiny_base), tmp_path, on_progress=quiet)
    assert loads == [tiny_base]


def test_a_run_that_fails_is_a_row_that_says_why(tiny_base: str, tmp_path: Path) -> None:
    tables = {"method": "lora", "learning_rate": [1e30, 1e-2], "max_grad_norm": 1e30}
    done = sweep(ROWS, grid(tables), settings(tiny_base), tmp_path, on_progress=quiet)
    assert done.rows[0].error is not None
    assert "not a number" in done.rows[0].error
    assert done.winner == done.rows[1]
    assert any("failed" in line for line in table(done.rows, done.winner))


def test_forgetting_is_what_an_adapter_adds_to_the_base_on_general_text(tiny_base: str, tmp_path: Path) -> None:
    text = tmp_path / "general.txt"
    text.write_text("The sun rose over the quiet harbour, and boats went out to sea. " * 4)
    tables = {"method": "lora", "learning_rate": [1e-7, 3e-1]}
    scored: list[Path] = []

    def score(adapter: Path, fit: Any, dev: Any) -> tuple[float, str]:
        scored.append(adapter)
        return 0.5, "luck"

    plain = sweep(ROWS, grid(tables), settings(tiny_base), tmp_path / "out", score=score, on_progress=quiet)
    assert [r.forgetting for r in plain.rows] == [None, None]
    made = {r.folder: (tmp_path / "out" / r.folder / "adapter" / "card.json").stat().st_mtime_ns for r in plain.rows}

    with_text = grid(tables, general_text=str(text))
    done = sweep(ROWS, with_text, settings(tiny_base), tmp_path / "out", score=score, on_progress=quiet)
    assert len(scored) == 2, "what is known is not scored again"
    assert {(r.score, r.metric) for r in done.rows} == {(0.5, "luck")}
    gentle, rough = (r.forgetting for r in done.rows)
    assert gentle is not None
    assert rough is not None
    assert abs(gentle) < 1e-3 < 0.1 < rough
    assert {f: (tmp_path / "out" / f / "adapter" / "card.json").stat().st_mtime_ns for f in made} == made
    assert [r.peak_bytes for r in done.rows] == [r.peak_bytes for r in plain.rows]
    [heading, *lines] = table(done.rows, done.winner)
    assert [line[heading.index("forgetting")] for line in lines] == [f"{gentle:+.3f}", f"{rough:+.3f}"]


def test_a_sweep_is_for_one_process(tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module, "world_size", lambda: 2)
    with pytest.raises(ConfigError, match="a sweep runs in one process"):
        sweep(ROWS, grid({"method": "lora"}), settings(tiny_base), tmp_path)
    assert not any(tmp_path.iterdir())


def test_the_score_decides_when_there_is_one(tiny_base: str, tmp_path: Path) -> None:
    def score(adapter: Path, fit: Any, dev: Any) -> tuple[float, str]:
        rate = json.loads((adapter / "card.json").read_text())["config"]["learning_rate"]
        return 1 - rate, "modesty"

    tables = {"method": "lora", "learning_rate": [1e-2, 1e-4]}
    done = sweep(ROWS, grid(tables, choose_by="score"), settings(tiny_base), tmp_path, score=score, on_progress=quiet)
    assert done.chosen_by == "modesty"
    assert done.winner == done.rows[1]
    kept = json.loads((tmp_path / "sweep.json").read_text())
    assert kept["winner"] == done.rows[1].folder
    assert "| * | lora learning_rate=0.0001 | 1.000 |" in (tmp_path / "sweep.md").read_text()
    command = retrain(done, settings(tiny_base), "all.jsonl", "out/best")
    assert command.startswith(f"domainkit train --data all.jsonl --base {tiny_base} --method lora --out out/best")
    assert "learning_rate=0.0001" in command
    assert f"epochs={done.rows[1].epochs:g}" in command
