"""compare with replicas (adapters that differ only in the seed) on a tiny model. What is not a replica is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit import Results, TrainConfig, compare, read_examples, train
from domainkit.errors import AdapterError, ConfigError
from domainkit.report import render, to_markdown

TAUGHT = {"a": "north", "b": "south", "c": "east", "d": "west"}


def write(path: Path, n: int) -> Path:
    items = list(TAUGHT.items())
    rows = [{"id": f"{path.stem}{i}", "input": items[i % 4][0], "target": items[i % 4][1]} for i in range(n)]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_base: str) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("recipe")
    data = write(folder / "train.jsonl", 32)
    plain: dict[str, Any] = {"base": tiny_base, "quantization": "none", "batch_size": 8, "method_options": {"rank": 4}}
    settings = {
        "seed0": {"epochs": 15, "learning_rate": 2e-2},
        "seed1": {"epochs": 15, "learning_rate": 2e-2, "seed": 1},
        "twin": {"epochs": 15, "learning_rate": 2e-2, "seed": 1},
        "shorter": {"epochs": 1, "learning_rate": 2e-2, "seed": 2},
    }
    for name, own in settings.items():
        train(read_examples(data), TrainConfig(**plain, **own), folder / name)
    other = write(folder / "other.jsonl", 28)
    train(read_examples(other), TrainConfig(**plain, **settings["seed1"] | {"seed": 3}), folder / "other")
    return {"folder": folder, "task": write(folder / "task.jsonl", 40)}


def run(
    made: dict[str, Path], out: Path, replicas: list[str], adapter: str | None = "seed0", **options: Any
) -> Results:
    folder = made["folder"]
    return compare(
        made["task"],
        ["zero-shot", "tuned"],
        out,
        adapter=adapter and folder / adapter,
        replicas=[folder / r for r in replicas],
        kind="label",
        max_tokens=8,
        latency_items=0,
        **options,
    )


def test_the_report_shows_the_recipe_beside_the_adapter(made: dict[str, Path], tmp_path: Path) -> None:
    results = run(made, tmp_path, ["seed1"])
    [recipe] = results.recipes
    assert (recipe.variant, recipe.baseline, recipe.seeds) == ("tuned", "zero-shot", (0, 1))
    tuned = results.variants[1].metrics["label_accuracy"]
    assert recipe.by_seed[0] == tuned.value == 1.0
    assert recipe.state == "BETTER"
    assert recipe.score.n == 40
    page, text = render(results), to_markdown(results)
    assert "The training recipe" in page
    assert "seed 1" in page
    assert "## The training recipe" in text
    assert "| tuned | 0, 1 |" in text
    rows = (tmp_path / "rows.jsonl").read_text().count("\n")
    assert rows == 3 * 40
    run(made, tmp_path, ["seed1"])
    assert (tmp_path / "rows.jsonl").read_text().count("\n") == rows, "answers of replicas are kept too"


def test_fit_trains_the_replicas(made: dict[str, Path], tmp_path: Path, tiny_base: str) -> None:
    config = TrainConfig(base=tiny_base, quantization="none", epochs=1, batch_size=8, method_options={"rank": 2})
    results = run(made, tmp_path, [], None, fit=config, fit_seeds=3, train=made["folder"] / "train.jsonl")
    assert results.recipes[0].seeds == (0, 1, 2)
    names = sorted(f.name.rpartition("-")[0] for f in (tmp_path / "adapters").iterdir() if f.is_dir())
    assert names == ["tuned", "tuned-seed1", "tuned-seed2"]


@pytest.mark.parametrize(("adapter", "fit"), [("seed0", True), ("seed0", False), (None, False)])
def test_fit_seeds_without_an_adapter_to_train_are_refused_before_training(
    made: dict[str, Path], tmp_path: Path, tiny_base: str, adapter: str | None, fit: bool
) -> None:
    config = TrainConfig(base=tiny_base, quantization="none", epochs=1) if fit else None
    with pytest.raises(ConfigError, match=r"(?s)fit_seeds=2, but .* with --replicas"):
        run(made, tmp_path, [], adapter, fit=config, fit_seeds=2, train=made["folder"] / "train.jsonl")
    assert not (tmp_path / "adapters").exists()


@pytest.mark.parametrize(
    ("replicas", "said"),
    [
        (["shorter"], "is not a replica of .*seed0: epochs is 1.0, not 15.0"),
        (["other"], "it was trained on other rows"),
        (["seed1", "twin"], "was trained with seed 1, like another given adapter"),
        (["missing"], "no such adapter folder"),
    ],
)
def test_what_is_not_a_replica_is_refused_before_the_first_question(
    made: dict[str, Path], tmp_path: Path, replicas: list[str], said: str
) -> None:
    with pytest.raises(AdapterError, match=said):
        run(made, tmp_path, replicas)
    assert not (tmp_path / "rows.jsonl").exists()


def test_replicas_need_an_adapter(made: dict[str, Path], tmp_path: Path) -> None:
    folder = made["folder"]
    with pytest.raises(AdapterError, match="give it with --adapter"):
        compare(made["task"], ["zero-shot"], tmp_path, replicas=[folder / "seed1"], kind="label", base=None)
