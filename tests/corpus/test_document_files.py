"""Folders to documents: which files are read, ids, order, and what an untrusted folder may not do."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from domainkit.corpus.document_files import scan_documents
from domainkit.corpus.read_files import read_documents
from domainkit.corpus.readers import formats
from domainkit.errors import DataError


def test_a_folder_is_read_in_order_of_names_with_ids_from_paths(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("Second.\r\nLine.")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "deep.MD").write_text("# First #\n\nText.")
    (tmp_path / "c.jsonl").write_text('{"id": "x", "title": "T", "text": "Third.", "year": 2019}\n{"text": "Fourth."}')
    (tmp_path / ".hidden.txt").write_text("no")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.txt").write_text("no")
    found = list(read_documents(tmp_path))
    assert [(d.id, d.title, d.text) for d in found] == [
        ("a/deep", "First", "Text."),
        ("b", "", "Second.\nLine."),
        ("x", "T", "Third."),
        ("c:2", "", "Fourth."),
    ]
    assert found[2].meta == {"year": 2019}
    assert [d.source for d in found[1:]] == [
        str(tmp_path / "b.txt"),
        f"{tmp_path / 'c.jsonl'}:1",
        f"{tmp_path / 'c.jsonl'}:2",
    ]


def test_files_of_one_stem_keep_their_suffix(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("one")
    (tmp_path / "a.txt").write_text("two")
    assert [d.id for d in read_documents(tmp_path)] == ["a.md", "a.txt"]


def test_links_out_of_the_folder_are_not_followed_but_named(tmp_path: Path) -> None:
    inside, outside = tmp_path / "docs", tmp_path / "secret"
    inside.mkdir()
    outside.mkdir()
    (outside / "key.txt").write_text("secret")
    (inside / "a.txt").write_text("public")
    (inside / "b.txt").symlink_to(inside / "a.txt")
    (inside / "leak.txt").symlink_to(outside / "key.txt")
    (inside / "gone.txt").symlink_to(outside / "nothing.txt")
    (inside / "loop").symlink_to(inside)
    documents, problems = scan_documents(inside)
    assert [d.text for d in documents] == ["public", "public"]
    assert all(p.severity == "warning" for p in problems)
    assert {Path(p.path).name for p in problems} == {"leak.txt", "gone.txt", "loop"}
    assert [d.id for d in read_documents(inside)] == ["a", "b"]


def test_other_formats_and_empty_files_are_warnings(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "empty.txt").write_text(" \n")
    for name in ("b.rtf", "c.rtf", "Makefile"):
        (tmp_path / name).write_text("x")
    what = sorted(p.what for p in scan_documents(tmp_path)[1])
    assert what == ["1 file without suffix left out", "2 files of format .rtf left out", "is empty and left out"]


def test_an_unreadable_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("text")

    def denied(*_: object) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("domainkit.storage.open_plain", denied)  # root may read everything, so chmod would not do
    with pytest.raises(DataError, match=r"cannot be read: permission denied\n  next: check the file's permissions"):
        read_documents(tmp_path)


def test_every_error_of_a_folder_is_listed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xc3\xa9\ntw\xffo")
    (tmp_path / "b.txt").write_bytes(b"one\n\0")
    rows = [
        {"txet": "a"},
        {"text": ""},
        {"text": 1},
        {"text": "a", "id": ""},
        {"text": "a", "title": []},
        {"body": "b"},
    ]
    (tmp_path / "c.jsonl").write_text("\n".join(json.dumps(r) for r in rows))
    with pytest.raises(DataError) as caught:
        read_documents(tmp_path)
    text = str(caught.value)
    for part in (
        "a.txt:2: not UTF-8: byte 0xff at position 3 of the line",
        "b.txt:2: holds a NUL byte",
        "c.jsonl:1: missing field 'text' (found: 'txet')",
        "c.jsonl:2: 'text' is empty",
        "c.jsonl:3: 'text' is a number, not text",
        "c.jsonl:4: 'id' is empty",
        "c.jsonl:5: 'title' is a list, not text",
        "rename 'body' to 'text'",
    ):
        assert part in text


def test_a_repeated_id_names_both_files(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "x", "text": "one"}\n{"id": "x", "text": "two"}')
    with pytest.raises(DataError, match=r"a\.jsonl:2: the id 'x' is already that of .*a\.jsonl:1"):
        read_documents(tmp_path)


@pytest.mark.parametrize(
    "name, what",
    [("a.rtf", "the format '.rtf' is not read"), ("README", "has no suffix that names its format")],
)
def test_an_unknown_format_lists_the_known_ones(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / name).write_text("x")
    with pytest.raises(DataError, match=what) as caught:
        read_documents(tmp_path / name)
    assert f"one of: {formats()}" in str(caught.value)


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no documents"):
        read_documents(tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        read_documents(tmp_path / "nowhere")


def test_a_file_that_no_library_can_parse_is_a_warning_in_a_folder_and_an_error_alone(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_text("no PDF")
    (tmp_path / "b.html").write_text("<h1>Bees</h1><p>They fly.</p>")
    (tmp_path / "c.html").write_text("<script>x</script>")
    documents, problems = scan_documents(tmp_path)
    assert [(d.id, d.title, d.text, d.source) for d in documents] == [
        ("b", "Bees", "They fly.", str(tmp_path / "b.html"))
    ]
    assert [(Path(p.path).name, p.severity, p.what.split(":")[0]) for p in problems] == [
        ("a.pdf", "warning", "is damaged, or no PDF"),
        ("c.html", "warning", "holds no text and is left out"),
    ]
    with pytest.raises(DataError, match="is damaged, or no PDF"):
        read_documents(tmp_path / "a.pdf")


def test_plain_text_is_read_without_a_process_or_library(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n\nb")
    (tmp_path / "b.txt").write_text("c")
    (tmp_path / "c.jsonl").write_text('{"text": "d"}')
    heavy = ["selectolax", "trafilatura", "lxml", "mammoth", "pptx", "pypdfium2", "liteparse", "numpy", "chardet"]
    code = (
        "import sys, subprocess; from domainkit import read_documents; "
        "subprocess.Popen = None; documents = list(read_documents(sys.argv[1])); "
        f"print(len(documents), [m for m in {heavy} if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert out.stdout == "3 []\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.md", "a.html"])
def test_a_pipe_is_named_as_one_and_never_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    [problem] = scan_documents(tmp_path / name)[1][:1]
    assert problem.what == "cannot be read: it is a pipe, not a file"
    assert problem.next_step == "name a plain file"
