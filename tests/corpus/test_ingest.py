"""Ingest: the corpus reads back to the same documents; only what changed is read again; nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit.corpus import ingest as module
from domainkit.corpus.document import Document
from domainkit.corpus.ingest import ingest, kind_of
from domainkit.corpus.read_files import read_documents
from domainkit.errors import ConfigError, DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.md").write_text("# Bees\nThey fly.\n## Food\nSugar.")
    (folder / "deep" / "b.md").write_text("# Ants\nThey carry.\n\n## Home\n\nA hill. \U0001f41c")
    (folder / "c.jsonl").write_text('{"text": "Third.", "marks": "mine", "year": 2019}\n{"id": "x", "text": "Fourth."}')
    return folder


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read, in order."""
    names: list[str] = []
    original = module.read_file

    def counted(file: Path, name: str, reader: Any) -> Any:
        names.append(name)
        return original(file, name, reader)

    monkeypatch.setattr(module, "read_file", counted)
    return names


def content(documents: Any) -> list[tuple[Any, ...]]:
    return [(d.id, d.title, d.text, d.marks, d.meta) for d in documents]


def test_the_corpus_reads_back_to_the_same_documents(folder: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    (folder / "d.html").write_text("<h1>Ants</h1><p>They carry.</p><h2>Home</h2><p>A hill. \U0001f41c</p>")
    summary = ingest(folder, tmp_path / "corpus.jsonl", workers=2, on_progress=lambda *x: seen.append(x))
    assert content(read_documents(tmp_path / "corpus.jsonl")) == content(read_documents(folder))
    assert (summary.documents, summary.files, summary.new, summary.problems) == (5, 4, 4, ())
    assert seen[-1] == ("files", 4, 4)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == [".corpus.jsonl.files", "corpus.jsonl", "docs"]


def test_only_changed_files_are_read_again(folder: Path, tmp_path: Path, read: list[str]) -> None:
    out = folder / "corpus.jsonl"  # the corpus itself is no document of the folder
    ingest(folder, out, workers=1)
    assert read == ["a", "c", "deep/b"]
    read.clear()
    (folder / "a.md").write_text("# Bees\nThey sleep.")
    (folder / "c.jsonl").unlink()
    (folder / "d.txt").write_text("New.")
    summary = ingest(folder, out, workers=1)
    assert read == ["a", "d"]
    assert [(d.id, d.text) for d in read_documents(out)] == [
        ("a", "They sleep."),
        ("d", "New."),
        ("deep/b", "They carry.\n\n## Home\n\nA hill. \U0001f41c"),
    ]
    assert (summary.new, summary.changed, summary.unchanged, summary.deleted) == (1, 1, 1, 1)


def test_an_interrupted_run_continues(folder: Path, tmp_path: Path, read: list[str]) -> None:
    out = tmp_path / "corpus.jsonl"

    def interrupt(name: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(folder, out, workers=1, on_progress=interrupt)
    assert not out.exists()
    with (tmp_path / ".corpus.jsonl.part").open("ab") as journal:
        journal.write(b'{"name": "deep/b", "sha256": "')  # killed while writing
    read.clear()
    summary = ingest(folder, out, workers=1)
    assert read == ["deep/b"]
    assert content(read_documents(out)) == content(read_documents(folder))
    assert summary.new == 3


def test_an_edited_corpus_is_made_again(folder: Path, tmp_path: Path, read: list[str]) -> None:
    out = tmp_path / "corpus.jsonl"
    ingest(folder, out, workers=1)
    out.write_text(out.read_text().replace("fly", "swim"))
    read.clear()
    ingest(folder, out, workers=1)
    assert len(read) == 3
    assert "swim" not in out.read_text()


def test_files_that_cannot_be_read_are_named_counted_and_tried_again(
    folder: Path, tmp_path: Path, read: list[str]
) -> None:
    (folder / "bad.pdf").write_text("no PDF")
    (folder / "also.pdf").write_text("no PDF")
    out = tmp_path / "corpus.jsonl"
    summary = ingest(folder, out, workers=1)
    assert (summary.documents, summary.left_out) == (4, 2)
    assert summary.warnings_by_kind == {"is damaged, or no PDF": 2}
    read.clear()
    ingest(folder, out, workers=1)
    assert read == ["also", "bad"]


def test_an_id_that_comes_twice_is_left_out_and_an_error(folder: Path, tmp_path: Path) -> None:
    (folder / "z.jsonl").write_text('{"id": "x", "text": "Again."}')
    summary = ingest(folder, tmp_path / "corpus.jsonl", workers=1)
    assert [str(p) for p in summary.problems] == [
        "z: the id 'x' is already one of 'c': left out\n  next: give each document an id of its own"
    ]
    assert [d.id for d in read_documents(tmp_path / "corpus.jsonl")] == ["a", "c:1", "x", "deep/b"]


def test_two_runs_do_not_write_one_corpus(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="this system has no such locks")
    out = tmp_path / "corpus.jsonl"

    def again(name: str, done: int, total: int) -> None:
        with pytest.raises(ConfigError, match="another run is writing it"):
            ingest(folder, out)

    ingest(folder, out, workers=1, on_progress=again)


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    with pytest.raises(DataError, match=r"holds no documents\n  next: add files to read: \.docm, \.docx"):
        ingest(tmp_path / "docs", tmp_path / "corpus.jsonl")
    with pytest.raises(DataError, match="no such file or folder"):
        ingest(tmp_path / "nowhere", tmp_path / "corpus.jsonl")


def test_damaged_marks_are_an_error_and_those_of_others_are_not(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "abc", "marks": [{"start": 9, "page": 1}]}))
    with pytest.raises(DataError, match="'marks' do not fit the text"):
        read_documents(path)
    path.write_text(json.dumps({"text": "abc", "marks": [{"start": "x"}]}))
    with pytest.raises(DataError, match="'marks' is damaged: input should be a valid integer"):
        read_documents(path)
    path.write_text(json.dumps({"text": "abc", "marks": [1, 2]}))
    documents: list[Document] = list(read_documents(path))
    assert documents[0].meta == {"marks": [1, 2]}


def test_kinds_of_warnings_leave_out_numbers_and_names() -> None:
    assert kind_of("pages 1, 2 scanned and not read: no tesseract") == "pages # scanned and not read"
    assert kind_of("the hidden sheet 'A' left out") == "the hidden sheet '…' left out"
