"""Learning curves inside a comparison: the classical model's comes free, an adapter's from adapters trained on nested
parts."""

from __future__ import annotations

import json
from pathlib import Path

from domainkit import TrainConfig, compare, read_examples
from domainkit.comparison.learning_curves import fit_nested

SIDES = {"a": "north", "b": "south", "c": "east", "d": "west"}


def write(path: Path, n: int) -> Path:
    items = list(SIDES.items())
    rows = [{"id": f"{path.stem}{i}", "input": f"{items[i % 4][0]} {i}", "target": items[i % 4][1]} for i in range(n)]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def test_the_classical_curve_is_drawn_from_nested_parts(tmp_path: Path) -> None:
    train, task = write(tmp_path / "train.jsonl", 80), write(tmp_path / "test.jsonl", 24)
    results = compare(task, ["classical"], tmp_path / "run", train=train, latency_items=0)
    (curve,) = results.curves
    assert (curve.variant, [p.n for p in curve.points], [p.n for p in curve.forecast]) == (
        "classical",
        [10, 20, 40, 80],
        [160, 320],
    )
    assert curve.points[-1].value == results.variants[0].metrics["label_accuracy"].value
    assert results.test_use is not None
    assert results.test_use.comparisons == 1
    few = compare(task, ["classical"], tmp_path / "few", train=write(tmp_path / "few.jsonl", 40), latency_items=0)
    assert few.curves == ()
    assert few.test_use is not None
    assert few.test_use.comparisons == 2


def test_the_tuned_curve_comes_from_adapters_trained_on_parts(tmp_path: Path, tiny_base: str) -> None:
    examples = read_examples(write(tmp_path / "train.jsonl", 16))
    config = TrainConfig(
        base=tiny_base, quantization="none", epochs=1, batch_size=8, learning_rate=2e-2, method_options={"rank": 4}
    )
    *parts, whole = fit_nested(examples, config, tmp_path / "parts", shares=(1 / 4, 1 / 2, 1))
    assert [folder.name for folder in (*parts, whole)] == ["4", "8", "16"]
    written = (whole / "adapter_config.json").stat().st_mtime_ns
    assert fit_nested(examples, config, tmp_path / "parts", shares=(1 / 4, 1 / 2, 1)) == [*parts, whole]
    assert (whole / "adapter_config.json").stat().st_mtime_ns == written
    task = write(tmp_path / "test.jsonl", 8)
    results = compare(
        task, ["tuned"], tmp_path / "run", adapter=whole, curve=parts, kind="label", max_tokens=8, latency_items=0
    )
    (curve,) = results.curves
    assert (curve.variant, [p.n for p in curve.points]) == ("tuned", [4, 8, 16])
    assert len(curve.forecast) == 2
