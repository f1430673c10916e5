"""Files and folders are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.errors import MachineError
from domainkit.storage import sha256_json, staged_folder, write_text


def test_a_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    final = tmp_path / "adapter"
    with staged_folder(final) as staged:
        (staged / "a").write_text("old")
    with pytest.raises(RuntimeError), staged_folder(final) as staged:
        (staged / "a").write_text("half")
        raise RuntimeError
    assert (final / "a").read_text() == "old"
    with staged_folder(final) as staged:
        (staged / "b").write_text("new")
    assert sorted(p.name for p in final.iterdir()) == ["b"]
    assert [p.name for p in tmp_path.iterdir()] == ["adapter"]


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.json"
    write_text(path, "old")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(MachineError, match="no space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def test_json_hash_ignores_key_order() -> None:
    assert sha256_json({"a": 1, "b": 2}) == sha256_json({"b": 2, "a": 1}) != sha256_json({"a": 2, "b": 1})
