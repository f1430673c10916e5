"""compare() on a tiny model: every run is priced, and general questions tell what the adapter forgot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit import Results, TrainConfig, compare, read_examples, train
from domainkit.errors import ConfigError, DataError


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, tiny_base: str) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("consequences")
    rows = [{"id": f"r{i}", "input": f"say {i}", "target": ("red", "blue")[i % 2]} for i in range(12)]
    made = {"train": write(folder / "train.jsonl", rows), "task": write(folder / "test.jsonl", rows[:6])}
    general = [
        {"id": f"g{i}", "question": f"What is {i}?", "choices": ["a", "bb", "c c"], "answer": i % 3} for i in range(9)
    ]
    made["general"] = write(folder / "general.jsonl", general)
    made["text"] = folder / "text.md"
    made["text"].write_text("Plain words of a general kind.\n")
    options: dict[str, Any] = {"epochs": 2, "batch_size": 4, "learning_rate": 2e-2, "method_options": {"rank": 4}}
    config = TrainConfig(base=tiny_base, quantization="none", **options)
    made["adapter"] = Path(train(read_examples(made["train"]), config, folder / "adapter").folder)
    return made


def run(given: dict[str, Path], out: Path, **options: Any) -> Results:
    return compare(
        given["task"],
        ["zero-shot", "tuned"],
        out,
        adapter=given["adapter"],
        kind="label",
        max_tokens=4,
        latency_items=0,
        **options,
    )


def test_a_run_has_its_cost_and_general_questions_are_asked_once(given: dict[str, Path], tmp_path: Path) -> None:
    options = {"general": str(given["general"]), "general_text": str(given["text"])}
    results = run(given, tmp_path, **options)
    assert results.cost is not None
    assert results.training is not None
    tuned = results.cost.variants[1]
    assert tuned.training == pytest.approx(results.training.seconds * results.cost.prices.training_hour / 3600)
    assert tuned.per_thousand.value is not None
    assert results.cost.break_even[0].variant == "tuned"
    f = results.forgetting
    assert f is not None
    assert f.difference.n == 9
    assert f.text is not None
    assert f.text.base > 0
    assert any("general questions" in c for c in results.verdict.cautions)
    rows = (tmp_path / "general.jsonl").read_text().splitlines()
    assert len(rows) == 2 * (9 + 1)
    again = run(given, tmp_path, **options)
    assert (tmp_path / "general.jsonl").read_text().splitlines() == rows
    assert again.forgetting == f
    assert "Forgetting" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_without_general_questions_there_is_only_the_cost(given: dict[str, Path], tmp_path: Path) -> None:
    results = run(given, tmp_path)
    assert results.cost is not None
    assert results.forgetting is None
    assert not (tmp_path / "general.jsonl").exists()


def test_what_does_not_fit_is_refused_before_the_first_question(given: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="general_text is given without general"):
        run(given, tmp_path, general_text=str(given["text"]))
    with pytest.raises(DataError, match="has no question"):
        run(given, tmp_path, general=str(given["train"]))
    with pytest.raises(ConfigError, match="cannot be read"):
        run(given, tmp_path, prices=str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match="no adapter that could have forgotten them"):
        compare(given["task"], ["classical"], tmp_path, train=given["train"], general=str(given["general"]))
    assert not (tmp_path / "rows.jsonl").exists()
