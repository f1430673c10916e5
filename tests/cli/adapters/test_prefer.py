"""domainkit prefer: data of each kind is read, the change is printed, and a wrong option names the nearest one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit.adapters.folder import Adapter
from tests.cli.command import domainkit

SMALL = ("quantization=none", "learning_rate=1e-2", "method.rank=4", "batch_size=2", "max_new_tokens=4", "probe=2")
DATA: dict[str, list[dict[str, Any]]] = {
    "dpo": [{"prompt": f"q{i}", "chosen": "yes", "rejected": "no"} for i in range(4)],
    "kto": [{"input": f"q{i}", "answer": "yes" if i % 2 else "no", "label": bool(i % 2)} for i in range(4)],
    "grpo": [{"input": f"q{i}", "target": "yes"} for i in range(4)],
}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("objective", ["dpo", "kto"])
def test_it_trains_and_prints_how_the_answers_changed(objective: str, tiny_base: str, tmp_path: Path) -> None:
    data, out = write(tmp_path / "d.jsonl", DATA[objective]), tmp_path / "a"
    words = ["--data", data, "--objective", objective, "--base", tiny_base, "--out", out, *SMALL]
    code, said, err = domainkit("prefer", *words, "metrics=token_f1,exact_match")
    assert code == 0, err
    assert "token_f1 0 → 0" in said
    assert "exact_match 0 → 0, on the same answers" in said
    assert f"Adapter: {out}" in said
    assert "Reference: the base, with the adapter switched off (β = 0.1)" in said
    assert "nats per token" in said
    assert "on answers sampled to 2 training prompts" in said
    card = Adapter.load(out).card
    assert card is not None
    assert card.preference is not None
    assert card.preference["objective"] == objective
    assert list(card.preference["after"]["metrics"]) == ["exact_match"]


def test_it_continues_from_an_adapter(tiny_base: str, tmp_path: Path) -> None:
    data, first = write(tmp_path / "d.jsonl", DATA["dpo"]), tmp_path / "a"
    assert domainkit("prefer", "--data", data, "--base", tiny_base, "--out", first, *SMALL)[0] == 0
    words = [w for w in SMALL if not w.startswith("method.")]
    code, said, err = domainkit("prefer", "--data", data, "--adapter", first, "--out", tmp_path / "b", *words)
    assert code == 0, err
    assert "Reference: the adapter a as it was" in said
    made = Adapter.load(tmp_path / "b")
    again = domainkit(
        "prefer", "--data", data, "--adapter", first, "--out", tmp_path / "b", "--resume", *words, "save_every=9"
    )
    assert again[:2] == (0, said)
    assert Adapter.load(tmp_path / "b") == made, "a finished run is not run again"


@pytest.mark.parametrize(
    "words,said",
    [
        (("--objective", "grpo"), "grpo needs a reward"),
        (("--objective", "grpo", "--reward", "token_f2"), "did you mean 'token_f1'?"),
        (("--objective", "gpro"), "did you mean 'grpo'?"),
        (("--objective", "dpo", "--reward", "token_f1", "metrics=exact_match"), "the reward is named twice"),
        (("--objective", "grpo", "metrics=token_f1,token_f1"), "the metric 'token_f1' is named twice"),
        (("--objective", "grpo", "metrics=token_f1,citations"), "'citations' reads passages beside the answer"),
        (("--objective", "grpo", "--reward", "token_f1", "bta=0.1"), "did you mean 'beta'?"),
        (("--objective", "dpo"), "d.jsonl:1: missing field"),
        (
            ("--objective", "grpo", "--reward", "token_f1", "group=1"),
            "group=1: input should be greater than or equal to 2",
        ),
    ],
)
def test_a_wrong_option_is_an_error_with_the_nearest_name(
    words: tuple[str, ...], said: str, tiny_base: str, tmp_path: Path
) -> None:
    data = write(tmp_path / "d.jsonl", DATA["grpo"])
    code, _, err = domainkit("prefer", "--data", data, "--base", tiny_base, "--out", tmp_path / "a", *words)
    assert code == 2
    assert said in err
    assert "Traceback" not in err
    assert not (tmp_path / "a").exists()
