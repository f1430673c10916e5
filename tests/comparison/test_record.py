"""variants.json: what is stored is what the variants need, and an older comparison's rows do not stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from domainkit import Variant, compare, load_variant
from domainkit.comparison.record import needs_embeddings, stored_folder
from domainkit.storage import sha256_file


def write(path: Path, n: int, word: str = "red") -> Path:
    rows = [{"input": f"{word if i % 2 else 'blue'} {i}", "target": str(i % 2)} for i in range(n)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def record_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "variants.json").read_text("utf-8"))


def test_only_what_variants_need_is_stored(tmp_path: Path) -> None:
    own = Variant(name="mine", description="d", runnable=RunnableLambda(lambda q: "1"), identity="m")
    task, run = write(tmp_path / "test.jsonl", 4), tmp_path / "run"
    results = compare(task, ["trivial", own], run, train=write(tmp_path / "train.jsonl", 8), kind="label")
    record = record_of(run)
    assert record["created"] == results.created
    assert (record["base"], record["examples"], record["passages"], record["trivial"]) == (None, None, None, "0")
    assert not (run / "inputs").exists()
    assert record["variants"]["mine"]["own"] is True
    assert load_variant(run, "trivial").batch(["red 1", "blue 2"])[1].text == "0"


@pytest.mark.real  # sentence embeddings are tried
def test_changed_rows_replace_the_stored_ones(tmp_path: Path) -> None:
    task, run = write(tmp_path / "test.jsonl", 4), tmp_path / "run"
    for n, word in ((8, "red"), (10, "rouge")):
        compare(task, ["classical"], run, train=write(tmp_path / "train.jsonl", n, word), kind="label", latency_items=0)
        [stored] = (run / "inputs").iterdir()
        record = record_of(run)
        assert record["examples"] == {"file": f"inputs/{stored.name}", "sha256": sha256_file(stored), "rows": n}
        assert word in stored.read_text("utf-8")
        assert record["classical"] == "TF-IDF with logistic regression"
    (tmp_path / "train.jsonl").unlink()
    assert [a.text for a in load_variant(run, "classical").batch(["rouge 1", "blue 2"])] == ["1", "0"]


def test_a_folder_below_the_run_is_named_from_there_and_another_in_full(tmp_path: Path) -> None:
    for name in ("run/adapters/a", "runner", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "w").write_text(name)
    run = tmp_path / "run"
    (tmp_path / "link").symlink_to(run)
    for out in (run, tmp_path / "link", tmp_path / "elsewhere" / ".." / "run"):
        assert stored_folder(run / "adapters" / "a", ["w"], out).folder == "adapters/a"
    for name in ("runner", "elsewhere"):
        stored = stored_folder(tmp_path / name, ["w"], run)
        assert stored.folder == str(tmp_path / name)
        assert stored.files == {"w": sha256_file(tmp_path / name / "w")}


@pytest.mark.parametrize(
    ("flags", "retriever", "needed"),
    [
        ({}, "fused", False),
        ({"shots": "nearest"}, "lexical", True),
        ({"retrieve": True}, "lexical", False),
        ({"retrieve": True}, "fused", True),
        ({"retrieve": True, "oracle": True}, "fused", False),
        ({"classical": "encoder"}, "lexical", True),
        ({"classical": "auto"}, "lexical", False),
    ],
)
def test_which_variants_answer_with_the_embedding_model(flags: dict[str, Any], retriever: str, needed: bool) -> None:
    variant = Variant(name="v", description="d", **flags)
    assert needs_embeddings(variant, {"retriever": retriever}, "TF-IDF with logistic regression") is needed
