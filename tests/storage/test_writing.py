"""A write is whole or not at all, and what was there survives it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from domainkit.errors import DomainkitError, MachineError
from domainkit.storage import check_writable, interrupted_save, staged_folder, write_text


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


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "adapter").symlink_to("disk/adapter")
    (tmp_path / "report.html").symlink_to("disk/report.html")
    for content in ("one", "two"):
        with staged_folder(tmp_path / "adapter") as staged:
            (staged / "a").write_text(content)
        write_text(tmp_path / "report.html", content)
        assert (tmp_path / "disk/adapter/a").read_text() == content == (tmp_path / "disk/report.html").read_text()
    assert (tmp_path / "adapter").is_symlink()
    assert sorted(p.name for p in (tmp_path / "disk").iterdir()) == ["adapter", "report.html"]


def test_a_mount_point_is_filled_since_it_cannot_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    final = tmp_path / "out"
    final.mkdir()
    monkeypatch.setattr("os.path.ismount", lambda path: Path(path) == final)
    for name in ("a", "b"):
        with staged_folder(final) as staged:
            assert staged.parent == final
            (staged / name).write_text(name)
            (staged / "card.json").write_text(name)
    assert sorted(p.name for p in final.iterdir()) == ["b", "card.json"]
    with pytest.raises(RuntimeError), staged_folder(final) as staged:
        raise RuntimeError
    assert sorted(p.name for p in final.iterdir()) == ["b", "card.json"]


KILLED = """
import os, sys
from pathlib import Path
from domainkit.storage import staged_folder
moves = 0
def replace(a, b, real=os.replace):
    global moves
    moves += 1
    if moves > int(sys.argv[2]):
        os._exit(9)
    real(a, b)
os.replace = replace
with staged_folder(Path(sys.argv[1])) as staged:
    (staged / "a").write_text("new")
"""


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_a_killed_save_leaves_nothing_lost_and_nothing_behind(tmp_path: Path, moves: int) -> None:
    final = tmp_path / "out"
    with staged_folder(final) as staged:
        (staged / "a").write_text("old")
    assert subprocess.run([sys.executable, "-c", KILLED, str(final), str(moves)]).returncode == (9 if moves < 2 else 0)
    previous = interrupted_save(final)
    assert (previous is not None) == (moves == 1)
    assert ((previous or final) / "a").read_text() == ("new" if moves == 2 else "old")
    with pytest.raises(RuntimeError), staged_folder(final) as staged:  # a failed save, too, puts things right
        raise RuntimeError
    assert (final / "a").read_text() == ("new" if moves == 2 else "old")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_what_a_living_process_prepares_is_left_alone(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "out") as first:
        (first / "a").write_text("first")
        with staged_folder(tmp_path / "out") as second:
            (second / "a").write_text("second")
        assert (first / "a").read_text() == "first"
    assert (tmp_path / "out/a").read_text() == "first"


@pytest.mark.parametrize("name", ["file/out", "x" * 300, "folder"])
def test_a_path_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DomainkitError, match="cannot be written"):
        check_writable(tmp_path / name) if name != "folder" else write_text(tmp_path / name, "")
    check_writable(tmp_path / "new" / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_written_folder_can_be_read_by_those_whom_the_umask_allows(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "out") as staged:
        (staged / "weights").touch(mode=0o600)
    mask = os.umask(0o22)
    os.umask(mask)
    assert (tmp_path / "out/weights").stat().st_mode & 0o777 == 0o666 & ~mask
