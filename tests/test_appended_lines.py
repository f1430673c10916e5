"""A file that grows line by line: a kill or a full disk loses no whole line, and one process at a time writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domainkit.appended_lines import AppendedLines
from domainkit.errors import ConfigError, MachineError


def opened(path: Path) -> AppendedLines:
    return AppendedLines(path, "another desk", "use its page")


def test_lines_are_kept_and_a_cut_last_one_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lines.jsonl"
    with opened(path) as file:
        file.append([b"one", b"two"])
    with path.open("ab") as f:
        f.write(b"thr")
    with opened(path) as file:
        assert file.lines == [b"one", b"two"]
        file.append([b"three"])
    assert path.read_bytes() == b"one\ntwo\nthree\n"


def test_a_second_writer_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    refused = pytest.raises(ConfigError, match=r"another desk is writing this folder\n  next: wait .* or use its page")
    with opened(path), refused, opened(path):
        pass
    with opened(path) as file:
        file.append([b"free again"])


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lines.jsonl"

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with opened(path) as file:
        file.append([b"one"])
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(MachineError, match="no space left"):
                file.append([b"two"])
        assert path.read_bytes() == b"one\n"
        file.append([b"three"])
    assert path.read_bytes() == b"one\nthree\n"
