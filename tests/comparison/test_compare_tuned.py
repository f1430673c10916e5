"""On a real (tiny) model: the tuned variant wins where the adapter was taught, and does not where it was not; a changed
adapter is never answered from the old one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from domainkit import Adapter, Results, TrainConfig, compare, read_examples, train

TAUGHT = {"a": "north", "b": "south", "c": "east", "d": "west"}
UNTAUGHT = {"e": "up", "f": "down", "g": "left", "h": "right"}


def write(path: Path, pairs: dict[str, str], n: int) -> Path:
    items = list(pairs.items())
    rows = [{"id": f"{path.stem}{i}", "input": f"{items[i % 4][0]}", "target": items[i % 4][1]} for i in range(n)]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def teach(data: Path, out: Path, base: str, seed: int = 0) -> Adapter:
    config = TrainConfig(
        base=base,
        quantization="none",
        epochs=15,
        batch_size=8,
        learning_rate=2e-2,
        seed=seed,
        method_options={"rank": 4},
    )
    return train(read_examples(data), config, out)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, tiny_base: str) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("taught")
    data = write(folder / "train.jsonl", TAUGHT, 32)
    return {"data": data, "adapter": teach(data, folder / "adapter", tiny_base).folder, "folder": folder}


def run(task: Path, taught: dict[str, Any], out: Path, **options: Any) -> Results:
    return compare(
        task,
        ["zero-shot", "tuned"],
        out,
        adapter=taught["adapter"],
        kind="label",
        max_tokens=8,
        latency_items=0,
        **options,
    )


def test_tuned_wins_on_the_taught_task_and_not_on_the_untaught(taught: dict[str, Any], tmp_path: Path) -> None:
    known = run(write(tmp_path / "known.jsonl", TAUGHT, 40), taught, tmp_path / "known")
    [_, tuned] = known.variants
    assert tuned.metrics["label_accuracy"].value == 1.0
    assert tuned.difference is not None
    assert tuned.difference.state == "BETTER"
    assert known.verdict.choice == "tuned"
    unknown = run(write(tmp_path / "unknown.jsonl", UNTAUGHT, 40), taught, tmp_path / "unknown")
    [_, lost] = unknown.variants
    assert lost.difference is not None
    assert lost.difference.state != "BETTER"


def test_a_changed_adapter_is_never_answered_from_the_old_one(
    taught: dict[str, Any], tmp_path: Path, tiny_base: str
) -> None:
    task = write(tmp_path / "task.jsonl", TAUGHT, 8)
    place = tmp_path / "adapter"
    shutil.copytree(taught["adapter"], place)
    here = {**taught, "adapter": place}
    first = run(task, here, tmp_path / "run")
    swapped = write(tmp_path / "swapped.jsonl", dict(zip(TAUGHT, list(TAUGHT.values())[::-1], strict=True)), 32)
    shutil.rmtree(place)
    teach(swapped, place, tiny_base)
    second = run(task, here, tmp_path / "run")
    assert first.items[0].answers["tuned"].text == "north"
    assert second.items[0].answers["tuned"].text == "west"
    assert first.items[0].answers["zero-shot"] == second.items[0].answers["zero-shot"]
