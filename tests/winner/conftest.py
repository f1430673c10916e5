"""One comparison of every built-in variant on the tiny base. Its files are then deleted, and its folder is moved."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from domainkit import TrainConfig, compare

WORDS = {"amber": "gold", "birch": "white", "cedar": "green"}
VARIANTS = (
    "trivial",
    "classical",
    "tuned-encoder",
    "zero-shot",
    "few-shot",
    "knn-few-shot",
    "rag",
    "oracle-rag",
    "tuned",
    "tuned-knn",
    "tuned-rag",
    "tuned-context",
    "agent",
    "tuned-agent",
)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def material(folder: Path) -> dict[str, Any]:
    """Training rows, questions (one with a system turn) and documents."""
    solved = [{"input": f"the {w} {i}?", "target": c, "doc_ids": [w]} for i in range(5) for w, c in WORDS.items()]
    asked = [{"id": f"t{i}", **row, "input": row["input"].replace("the", "a")} for i, row in enumerate(solved[:5])]
    asked[1]["system"] = "Be brief."
    corpus = [{"id": w, "title": w, "text": f"{w} is {c}."} for w, c in WORDS.items()]
    return {
        "task": write(folder / "test.jsonl", asked),
        "train": write(folder / "train.jsonl", solved),
        "corpus": write(folder / "corpus.jsonl", corpus),
    }


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_base: str) -> Path:
    """The folder of the run, moved, with a space in its name. Tests only read it, so all workers share one."""
    top = tmp_path_factory.getbasetemp()
    folder = (top.parent if "PYTEST_XDIST_WORKER" in os.environ else top) / "winner"
    folder.mkdir(exist_ok=True)
    place = folder / "another place" / "the run"
    with FileLock(folder / ".lock"):
        if not place.exists():
            make_run(folder, tiny_base)
            place.parent.mkdir()
            shutil.move(folder / "run", place)
    return place


def make_run(folder: Path, base: str) -> None:
    """`folder / run`, whose files are deleted."""
    fit = TrainConfig(
        base=base, quantization="none", epochs=2, batch_size=8, learning_rate=2e-2, method_options={"rank": 2}
    )
    files = material(folder)
    compare(
        files.pop("task"),
        VARIANTS,
        folder / "run",
        **files,
        fit=fit,
        max_tokens=8,
        latency_items=0,
        passages=2,
        shots=3,
    )
    for name in ("test.jsonl", "train.jsonl", "corpus.jsonl"):
        (folder / name).unlink()


def rows_of(run: Path, variant: str) -> list[dict[str, Any]]:
    """The answers on disk, in the order of the questions."""
    rows = [json.loads(line) for line in (run / "rows.jsonl").read_text("utf-8").splitlines()]
    answered = {row["id"]: row for row in rows if row["variant"] == variant}
    return [answered[item["id"]] for item in json.loads((run / "results.json").read_text("utf-8"))["items"]]


def questions(run: Path) -> list[Any]:
    """The questions as the comparison asked them, in its order."""
    items = json.loads((run / "results.json").read_text("utf-8"))["items"]
    systems = {"t1": "Be brief."}
    return [{"question": i["input"], "system": systems[i["id"]]} if i["id"] in systems else i["input"] for i in items]
