"""An encoder-decoder base in a comparison: what its adapter was taught wins, by the same variants, prompts and
scores."""

from __future__ import annotations

import json
from pathlib import Path

from domainkit import TrainConfig, compare, read_examples, train

TAUGHT = {"a": "north", "b": "south", "c": "east", "d": "west"}


def write(path: Path, n: int) -> Path:
    items = list(TAUGHT.items())
    rows = [{"id": f"{path.stem}{i}", "input": items[i % 4][0], "target": items[i % 4][1]} for i in range(n)]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def test_the_tuned_variant_wins(tmp_path: Path, tiny_pair: str) -> None:
    data, task = write(tmp_path / "train.jsonl", 16), write(tmp_path / "task.jsonl", 24)
    config = TrainConfig(base=tiny_pair, quantization="none", epochs=20, batch_size=8, learning_rate=2e-2)
    adapter = train(read_examples(data), config, tmp_path / "adapter", on_progress=lambda _: None)
    found = compare(
        task,
        ["zero-shot", "tuned"],
        tmp_path / "run",
        adapter=adapter.folder,
        train=None,
        kind="label",
        max_tokens=8,
        latency_items=0,
    )
    [zero, tuned] = found.variants
    assert tuned.metrics["label_accuracy"].value == 1.0
    assert (zero.metrics["label_accuracy"].value or 0.0) < 0.6
    assert found.verdict.choice == "tuned"
