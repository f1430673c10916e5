"""The fine-tuned encoder joins a comparison that trains, or where it is named; else the report says why it did not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domainkit import compare
from domainkit.comparison.fitting.fine_tuned_encoder import with_tuned_encoder
from domainkit.comparison.inputs import Inputs, parse_options, read_inputs
from domainkit.errors import ConfigError, MachineError
from domainkit.retrieval import MiniLMEmbeddings

ANIMALS = ("my puppy barks", "the hound is hungry", "walk the terrier", "a poodle sleeps", "our dog ran", "his spaniel")
CARS = ("the engine stalls", "buy new tyres", "my truck is loud", "a red sedan", "her convertible", "the van's motor")
ROWS = [(text, label) for label, texts in (("animal", ANIMALS), ("vehicle", CARS)) for text in texts]


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.write_text("".join(json.dumps({"input": q, "target": a}) + "\n" for q, a in rows), encoding="utf-8")
    return path


def inputs(folder: Path, kind: str = "label", rows: list[tuple[str, str]] = ROWS) -> Inputs:
    task = write(folder / "test.jsonl", [("a labrador and a beagle", "animal"), ("a lorry", "vehicle")])
    return read_inputs(task, parse_options({"kind": kind}), train=write(folder / "train.jsonl", rows) if rows else None)


def why_not(given: Inputs, folder: Path, *, wanted: bool = True) -> str:
    found = with_tuned_encoder(given, folder, None, wanted=wanted)
    assert found.encoder is None
    assert not folder.exists()
    return found.why_no_encoder


def test_it_says_why_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "encoders"
    free = "its linear layer names a label, and this task's answers are free"
    assert why_not(inputs(tmp_path, "answer"), out) == free
    assert why_not(inputs(tmp_path, rows=[]), out) == "no training rows were given (--train)"
    few = "11 training rows with 2 labels are too few to fine-tune an encoder"
    assert why_not(inputs(tmp_path, rows=ROWS[:11]), out) == few
    given = inputs(tmp_path)
    one_label = replace(given, examples=given.examples[:6] * 2)
    assert why_not(one_label, out) == "12 training rows with 1 label are too few to fine-tune an encoder"
    many = replace(given, examples=given.examples * 2000)
    assert why_not(many, out) == "24,000 training rows are more than the 20,000 that are embedded before its training"

    def missing(self: MiniLMEmbeddings) -> str:
        raise MachineError("the MiniLM package is not installed", next_step="pip install it")

    monkeypatch.setattr(MiniLMEmbeddings, "resolve", missing)
    assert why_not(given, out) == "the MiniLM package is not installed (pip install it)"


def test_a_named_one_that_cannot_be_is_refused(tmp_path: Path) -> None:
    task = write(tmp_path / "test.jsonl", [("q", "a")])
    with pytest.raises(ConfigError, match="variant 'tuned-encoder' cannot run: its linear layer names a label"):
        compare(task, ["tuned-encoder"], tmp_path / "run", train=write(tmp_path / "t.jsonl", ROWS), kind="answer")


@pytest.mark.real
def test_it_answers_is_priced_and_is_not_trained_again(tmp_path: Path) -> None:
    given = inputs(tmp_path)
    assert "without --fit" in why_not(given, tmp_path / "none", wanted=False)
    seen: list[tuple[str, int, int]] = []
    options: dict[str, Any] = {"train": tmp_path / "train.jsonl", "kind": "label", "latency_items": 2}
    options["on_progress"] = lambda *step: seen.append(step)
    results = compare(tmp_path / "test.jsonl", ["classical", "tuned-encoder"], tmp_path / "run", **options)
    encoder = results.variants[1]
    assert (encoder.name, encoder.family) == ("tuned-encoder", "encoder")
    assert encoder.metrics["label_accuracy"].value == 1.0
    assert encoder.description.startswith("No model that writes: MiniLM with a linear layer for the labels, fine-tuned")
    assert "12 rows, 3 epochs" in encoder.description
    assert encoder.latency.n == 2
    assert results.cost is not None
    cost = results.cost.variants[1]
    assert cost.training is not None
    assert cost.training > 0
    assert results.cost.break_even[0].variant == "tuned-encoder"
    assert ("training the encoder", 3, 3) in seen
    (folder,) = (tmp_path / "run" / "encoders").iterdir()
    written = (folder / "encoder.json").stat().st_mtime_ns
    (tmp_path / "run" / "rows.jsonl").unlink()
    again = compare(tmp_path / "test.jsonl", ["tuned-encoder"], tmp_path / "run", **options)
    assert again.variants[0].metrics == encoder.metrics
    assert (folder / "encoder.json").stat().st_mtime_ns == written
