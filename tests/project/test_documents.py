"""Documents are named by a folder, or by files and patterns beside rows; they are read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.corpus.read_files import read_documents
from domainkit.errors import DataError
from domainkit.project.documents import documents_of
from tests.project.test_look import file
from tests.project.test_rows import project


def test_patterns_read_what_they_name_and_no_rows(tmp_path: Path) -> None:
    for name in ("a.md", "b.md", "m/x.md", "rows.jsonl", ".c.md"):
        file(tmp_path, name, f"# {name}\n\nSome words.")
    of = project(tmp_path, corpus=("*.md", "m"))
    first = documents_of(of)
    assert [d.id for d in read_documents(first.out)] == ["a", "b", "m/x"]
    file(tmp_path, "b.md", "# b\n\nOther words.")
    assert (documents_of(of).unchanged, documents_of(of).unchanged) == (2, 3)


def test_one_folder_names_its_documents_as_compare_does(tmp_path: Path) -> None:
    file(tmp_path, "m/x.md", "# x\n\nSome words.")
    assert [d.id for d in read_documents(documents_of(project(tmp_path, corpus=("m",))).out)] == ["x"]


@pytest.mark.parametrize(("name", "what"), [("*.pdf", "no such file or folder"), ("../a.md", "is not in the folder")])
def test_what_is_not_there_is_refused(tmp_path: Path, name: str, what: str) -> None:
    file(tmp_path, "x.md", "# x\n\nSome words.")
    with pytest.raises(DataError, match=what):
        documents_of(project(tmp_path, corpus=("x.md", name)))
