"""leave() on a tiny base with a scripted incumbent: the files it writes, and that nothing is asked twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit.errors import ConfigError
from domainkit.leaving.leave import leave
from domainkit.results.schema import Results
from domainkit.training.config import TrainConfig
from tests.leaving.scripted import Scripted

ROWS = [("amber light", "lamp"), ("my bees", "hive"), ("a bill", "money"), ("the stool", "chair")]


def write(file: Path, first: int, n: int) -> Path:
    """OpenAI's form of fine-tuning rows, as it is."""
    lines = []
    for i in range(first, first + n):
        text, label = ROWS[i % 4]
        turns = [("system", "Name the topic."), ("user", f"{text} number {i}: {label}"), ("assistant", label)]
        lines.append(json.dumps({"messages": [{"role": r, "content": c} for r, c in turns]}))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("rows")
    return {"train": write(folder / "train.jsonl", 0, 16), "task": write(folder / "test.jsonl", 100, 12)}


def test_a_model_that_ends_is_asked_again_for_the_rest_alone(
    files: dict[str, Any], tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domainkit.leaving.leave.LADDER", ("trivial", "tuned"))  # the others take seconds
    options: dict[str, Any] = {
        **files,
        "out": tmp_path / "run",
        "fit": TrainConfig(base=tiny_base, epochs=1, quantization="none", max_length=512),
        "latency_items": 0,
        "kind": "label",
        "candidates": ["tuned"],
    }
    ending = Scripted(lives=4)
    first = leave(ending, **options)
    assert (first.outcome, first.exit_code, first.failed) == ("CANNOT TELL YET", 3, 8)
    assert len(ending.asked) == 4
    text = (tmp_path / "run" / "certificate.md").read_text(encoding="utf-8")
    assert "The model in use answered 4 of 12 questions" in text
    again = Scripted()
    second = leave(again, **options)
    assert (second.outcome, second.failed, second.incumbent_score.value) == ("NOT YET", 0, 1.0)
    assert sorted([*ending.asked, *again.asked]) == sorted({*ending.asked, *again.asked})
    assert len(again.asked) == 8
    assert again.prompts[0][0].text == "Name the topic."
    results = Results.load(tmp_path / "run")
    assert results.leaving is not None
    assert results.leaving.versions == ("scripted-2026-01 fp_7",)
    assert results.leaving.asked_as == "rows"
    assert results.leaving.asked_from
    assert results.left_out == {}
    third = Scripted()
    leave(third, **options)
    assert third.asked == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"race": True}, "race: a certificate needs every question, and the incumbent is its baseline"),
        ({"baseline": "tuned"}, "baseline: a certificate needs every question"),
        ({"candidates": "tuned"}, "candidates: 'tuned' are not candidates"),
        ({"candidates": ["tuned", "tuned"]}, "are not candidates\n  next: name one or more variants, each once"),
        ({"candidates": ["tunde"]}, "candidates: 'tunde' is not among the variants\n  next: did you mean 'tuned'"),
        ({"adapter": "x", "curve": True}, "so nothing is trained, and curve would not be used"),
        ({"adapter": "x", "fit": TrainConfig()}, "so nothing is trained, and fit would not be used"),
        ({"asked_as": "politely"}, "asked_as: 'politely' is not a way to ask\n  next: say rows or instruction"),
    ],
)
def test_what_does_not_go_together(options: dict[str, Any], said: str, files: dict[str, Any], tmp_path: Path) -> None:
    llm = Scripted()
    with pytest.raises(ConfigError) as caught:
        leave(llm, out=tmp_path / "run", **files, **options)
    assert said in str(caught.value)
    assert not llm.asked
    assert not (tmp_path / "run").exists()
