"""domainkit distil --from: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit import TrainConfig, Variant, compare
from domainkit.cli.adapters.distil_context import bake, fixed_facts, run_and_variant
from domainkit.errors import ConfigError

FLAGS = ("from", "inputs", "teacher", "like", "map", "out")


@pytest.fixture(autouse=True)
def own_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMAINKIT_CACHE", str(tmp_path / "cache"))


def test_a_run_becomes_an_adapter_and_what_is_fixed_is_said(
    tmp_path: Path, tiny_base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"input": f"which colour has the {w}?", "target": w} for w in ("tin roof", "old sea", "birch tree")]
    asked = [{"input": "say what paint this is", "target": "tin roof"}]
    files = {}
    for name, some in (("train", rows), ("test", asked), ("corpus", [{"id": "a", "text": "The sea is green."}])):
        files[name] = tmp_path / f"{name}.jsonl"
        files[name].write_text("".join(json.dumps(r) + "\n" for r in some), encoding="utf-8")
    fit = TrainConfig(base=tiny_base, quantization="none", epochs=1, method_options={"rank": 2})
    compare(
        files["test"],
        ["rag", "few-shot"],
        tmp_path / "run",
        train=files["train"],
        corpus=files["corpus"],
        base=fit.base,
        quantization="none",
        latency_items=0,
        retriever="lexical",
        kind="answer",
    )
    bake({"from": f"{tmp_path}/run:rag", "out": f"{tmp_path}/baked", "epochs": 1, "method.rank": 2}, FLAGS)
    printed = capsys.readouterr().out
    assert "Taught by rag on 3 questions." in printed
    assert "a document that is edited, added or removed changes none of its answers" in printed
    assert "keep rag: it reads the documents as they are" in printed
    assert f"domainkit gate BAKED --against {tmp_path}/run" in printed


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"from": "run:rag", "out": "o", "teacher": "openai:x"}, "--teacher is not used with --from"),
        ({"from": "run:rag", "out": "o", "gold": "much"}, "gold: 'much' is not a number"),
        ({"from": "run:rag", "out": "o", "map": "input=Q"}, "--map says how --inputs is read"),
        ({"from": "run:rag"}, "missing: --out"),
        ({"from": "run:rag", "out": "o", "epoch": 2}, "unknown option 'epoch'"),
        ({"from": "no-such-run:rag", "out": "o"}, "no-such-run: no such folder"),
        ({"from": "no-such-run", "out": "o"}, "no-such-run: no such folder"),
    ],
)
def test_wrong_words_are_refused(values: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        bake(values, FLAGS)


def test_run_and_variant_are_told_apart() -> None:
    assert run_and_variant("a/b:tuned-knn") == (Path("a/b"), "tuned-knn")
    assert run_and_variant("C:/runs/a:rag") == (Path("C:/runs/a"), "rag")


def test_what_is_fixed_follows_from_the_context() -> None:
    knn = fixed_facts(Variant(name="tuned-knn", description="x", tuned=True, shots="nearest"))
    assert "solved example that is added, corrected or removed" in knn[-1]
