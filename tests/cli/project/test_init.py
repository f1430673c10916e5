"""domainkit init says what it found, which answers it took, and never loses a run.toml."""

from __future__ import annotations

import errno
import io
import sys
from pathlib import Path

import pytest

from domainkit.errors import saving
from tests.cli.command import domainkit
from tests.project.test_choices import many
from tests.project.test_look import ROWS, file


def test_without_a_terminal_the_answers_taken_are_said(tmp_path: Path) -> None:
    file(tmp_path, "faq.csv", many(40))
    file(tmp_path, "m/a.md", "# A\n\nSome words.")
    file(tmp_path, "a.bin", "")
    done = domainkit("init", tmp_path)
    assert done.returncode == 0
    assert "rows       faq.csv: 40 (CSV" in done.stdout
    assert "documents  m/a.md" in done.stdout
    assert "taken      kind: label   (else answer, text)" in done.stdout
    assert "not used   a.bin: has a format that is not read" in done.stdout
    assert done.stdout.endswith(f"Next: domainkit run {tmp_path}\n")


def test_a_run_toml_is_kept(tmp_path: Path) -> None:
    file(tmp_path, "faq.csv", ROWS)
    mine = file(tmp_path, "run.toml", "mine = 1\n")
    done = domainkit("init", tmp_path)
    assert done.returncode == 2
    assert f"error: {mine}: is there already\n  next: change it with an editor, then domainkit run" in done.stderr
    assert domainkit("init", tmp_path, "--force").returncode == 0
    assert (tmp_path / "run.toml.old").read_text(encoding="utf-8") == "mine = 1\n"
    assert 'rows = "faq.csv"' in mine.read_text(encoding="utf-8")


def test_a_terminal_is_asked_again_after_a_wrong_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file(tmp_path, "odd.csv", "a,b\nwhere is the parcel,at home\nwhen does it come,on Monday\n")
    typed = io.StringIO("input=a,target=x\ninput=b,target=a\n9\n3\n\n")
    monkeypatch.setattr(typed, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", typed)
    done = domainkit("init", tmp_path)
    assert done.returncode == 0
    assert "has no column 'x'" in done.stdout
    assert "a number from 1 to 3" in done.stdout
    made = (tmp_path / "run.toml").read_text(encoding="utf-8")
    assert 'map = { input = "b", target = "a" }' in made
    assert 'kind = "text"' in made


def test_a_read_only_folder_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        with saving(path):
            raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("domainkit.project.init.check_writable", refuse)
    file(tmp_path, "faq.csv", ROWS)
    done = domainkit("init", tmp_path)
    assert done.returncode == 1
    assert f"error: {tmp_path / 'run.toml'}: cannot be written: the file system is read-only\n" in done.stderr
    assert "  next: copy the folder to where you may write, and run domainkit init there" in done.stderr


def test_files_that_are_read_together_are_said(tmp_path: Path) -> None:
    for year in (2024, 2025):
        file(tmp_path, f"tickets-{year}.csv", many(year - 2000))
    done = domainkit("init", tmp_path)
    assert "taken      rows: tickets-2024.csv (24 rows), tickets-2025.csv (25 rows)   (else " in done.stdout
    assert 'rows = ["tickets-2024.csv", "tickets-2025.csv"]' in (tmp_path / "run.toml").read_text(encoding="utf-8")
