"""What a comparison reads; what does not fit together is refused before anything is trained or asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit import Document, Example, Turn
from domainkit.comparison.config import CompareConfig
from domainkit.comparison.inputs import read_inputs
from domainkit.errors import ConfigError, DataError


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def task(tmp_path: Path) -> Path:
    return write(tmp_path / "task.jsonl", [{"input": f"q{i}", "target": f"a{i}"} for i in range(3)])


def test_a_corpus_of_paths_is_refused_in_words(tmp_path: Path) -> None:
    task = write(tmp_path / "test.jsonl", [{"input": "How?", "target": "So."}])
    given: Any = [tmp_path]
    with pytest.raises(ConfigError, match=r"corpus holds .*Path, not documents") as e:
        read_inputs(task, CompareConfig(), corpus=given)
    assert "give one file or folder, or a list of Document" in str(e.value)


def test_files_and_values_are_read_alike(task: Path, tmp_path: Path) -> None:
    example = Example(turns=(Turn(role="user", content="q"), Turn(role="assistant", content="a")))
    document = Document(id="d", source="d", text="one two three")
    rows = write(tmp_path / "train.jsonl", [{"input": "q", "target": "a"}])
    corpus = write(tmp_path / "corpus.jsonl", [{"id": "d", "text": "one two three"}])
    from_files = read_inputs(task, CompareConfig(), train=rows, corpus=corpus, dev=rows)
    from_values = read_inputs(task, CompareConfig(), train=[example], corpus=[document], dev=[example])
    for inputs in (from_files, from_values):
        assert [e.question for e in inputs.examples] == ["q"]
        assert [d.text for d in inputs.documents] == ["one two three"]
        assert [e.target for e in inputs.dev] == ["a"]
    assert from_files.task.fingerprint == from_values.task.fingerprint


def test_a_long_document_is_split_into_passages(task: Path) -> None:
    document = Document(id="d", source="d", text="\n\n".join("word " * 15 for _ in range(4)))
    inputs = read_inputs(task, CompareConfig(passage_words=16), corpus=[document])
    assert len(inputs.documents) == 4


def test_the_metrics_are_those_of_the_kind_of_task(task: Path) -> None:
    assert read_inputs(task, CompareConfig(kind="answer")).metrics.primary == "token_f1"
    assert read_inputs(task, CompareConfig(metrics=("exact_match",))).metrics.names == ["exact_match"]


def test_what_does_not_fit_is_refused(task: Path, tmp_path: Path) -> None:
    general = write(tmp_path / "general.jsonl", [{"question": "q", "choices": ["a", "b"], "answer": 0}])
    with pytest.raises(ConfigError, match="no adapter that could have forgotten them"):
        read_inputs(task, CompareConfig(general=str(general)))
    assert read_inputs(task, CompareConfig(general=str(general)), will_train=True).general is not None
    with pytest.raises(ConfigError, match="general_text is given without general"):
        read_inputs(task, CompareConfig(general_text=str(general)))
    with pytest.raises(ConfigError, match="'label_accuracy' is for label tasks"):
        read_inputs(task, CompareConfig(metrics=("label_accuracy",)))
    with pytest.raises(DataError):
        read_inputs(write(tmp_path / "none.jsonl", []), CompareConfig())
