from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from domainkit.errors import ConfigError, DataError
from domainkit.evaluation.metrics import default_metrics, metric_set
from domainkit.evaluation.read_task import read_task
from domainkit.evaluation.task import Sample

SHORT, LONG = "A dozen words or so.", "One sentence after another says what a hive needs in winter. " * 8


class Grades:
    """A judge that needs no model."""

    name = "grades"

    def many(self, samples: list[Sample], answers: list[str]) -> list[float | None]:
        return [0.5] * len(answers)


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def row(i: int, target: str) -> dict[str, Any]:
    return {"input": f"question {i}", "target": f"{i} {target}"}


def test_long_targets_are_text_and_short_ones_an_answer(tmp_path: Path) -> None:
    long = read_task(write(tmp_path / "long.jsonl", *(row(i, LONG if i else SHORT) for i in range(3))))
    assert (long.kind, long.why_kind) == ("text", "half of the test targets have 89 words or more")
    assert read_task(write(tmp_path / "short.jsonl", *(row(i, SHORT) for i in range(3)))).kind == "answer"
    assert read_task(tmp_path / "short.jsonl", kind="text").kind == "text"
    one_in_three = write(tmp_path / "mixed.jsonl", row(0, LONG), row(1, SHORT), row(2, SHORT))
    assert read_task(one_in_three).kind == "answer"


@pytest.mark.parametrize(
    "question",
    [
        {"input": "why?"},
        {"question": "why?"},
        {"prompt": "why?"},
        {"instruction": "why?"},
        {"messages": [{"role": "user", "content": "why?"}]},
        {"prompt": [{"role": "user", "content": "why?"}]},
    ],
)
def test_a_question_alone_is_a_task_for_a_judge(tmp_path: Path, question: dict[str, Any]) -> None:
    task = read_task(write(tmp_path / "t.jsonl", {**question, "id": "a"}))
    assert (task.kind, task.why_kind) == ("text", "no row has an answer")
    [sample] = task.samples
    assert (sample.input, sample.target, sample.references) == ("why?", "", ())


def test_references_without_a_target_are_right_answers(tmp_path: Path) -> None:
    [sample] = read_task(write(tmp_path / "t.jsonl", {"input": "why?", "references": ["so", "thus"]})).samples
    assert (sample.target, sample.references) == ("so", ("so", "thus"))


def test_without_references_a_judge_must_be_given(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    task = read_task(write(tmp_path / "t.jsonl", {"input": "why?"}))
    with pytest.raises(ConfigError, match="no question has a reference, so only a judge can score") as error:
        metric_set(task)
    assert "--judge MODEL --rubric" in str(error.value)
    with caplog.at_level(logging.WARNING):
        found = metric_set(task, [*default_metrics("text"), Grades()])
    assert (found.primary, found.names) == ("grades", ["grades", "citations"])
    assert "there is no score for chrf, rouge_l" in caplog.text


def test_a_row_without_a_target_among_others_is_named(tmp_path: Path) -> None:
    rows = write(tmp_path / "t.jsonl", row(0, LONG), {"input": "why?"}, row(1, LONG))
    with pytest.raises(DataError, match=r"t\.jsonl:2: has no target, and other rows have one"):
        read_task(rows)


@pytest.mark.parametrize("kind", ["answer", "label", "calls"])
def test_other_kinds_need_targets(tmp_path: Path, kind: Any) -> None:
    with pytest.raises(DataError, match=f"no row has a target, and a task of the kind {kind} is scored by them"):
        read_task(write(tmp_path / "t.jsonl", {"input": "why?"}), kind=kind)
