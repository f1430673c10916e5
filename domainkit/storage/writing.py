"""Files and folders are written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domainkit.errors import saving
from domainkit.storage.plain_files import kind_of_file

STAGED = ".domainkit-new"
REPLACED = ".domainkit-old"
"""Last parts of the names of what a write has prepared, and of what it is about to replace."""


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 so that a reader, or a crash at any moment, sees the old file or the new one.

    A link is followed: the file that it names is replaced.
    """
    with saving(path):
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            raise OSError(errno.EEXIST, f"there is {kind_of_file(path.stat().st_mode)} of this name")
        handle, staged = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:200]}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as f:
                f.write(text)
                f.flush()
                os.fsync(f.fileno())
            os.chmod(staged, 0o644)
            os.replace(staged, path)
        except BaseException:
            Path(staged).unlink(missing_ok=True)
            raise


def check_writable(path: Path) -> None:
    """Raise now what writing the file or folder `path` would raise later, after the work."""
    with saving(path):
        path = Path(os.path.realpath(path))
        folder = path if path.is_dir() and os.path.ismount(path) else path.parent
        existing = next(p for p in (folder, *folder.parents) if os.path.lexists(p))
        try:
            with tempfile.TemporaryFile(dir=existing) as f:
                f.write(b"x")
        except FileNotFoundError as e:  # what /proc answers
            raise PermissionError(errno.EACCES, "no file can be made here", str(existing)) from e


@contextmanager
def staged_folder(final: Path) -> Iterator[Path]:
    """A new folder to fill. It becomes `final` when the block succeeds, and is deleted when it raises.

    An existing `final` is replaced at the very end, so it survives a failed write. A link is followed. A mount point
    cannot be replaced, so what is in it is. What a killed process left behind is removed, and a `final` that it had
    moved away is put back.
    """
    with saving(final):
        final = Path(os.path.realpath(final))
        if final.exists() and not final.is_dir():
            raise OSError(errno.EEXIST, f"there is {kind_of_file(final.stat().st_mode)} of this name")
        final.parent.mkdir(parents=True, exist_ok=True)
        mounted = os.path.ismount(final)
        siblings = final if mounted else final.parent
        _recover(final, siblings)
        staged = Path(tempfile.mkdtemp(dir=siblings, prefix=f".{final.name}.", suffix=STAGED))
        try:
            with _locked(staged):
                yield staged
                _open_to_readers(staged)
                (_refill if mounted else _replace)(final, staged)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise


def interrupted_save(final: Path) -> Path | None:
    """The previous version of the missing folder `final`, if a save was killed between moving that away and putting
    the new one in its place."""
    if final.exists():
        return None
    previous = (old / final.name for old in _leftovers(final, final.absolute().parent, REPLACED))
    return next((p for p in previous if p.exists()), None)


def _open_to_readers(staged: Path) -> None:
    """Folders and files as the user's umask wants them: temporary folders, and files of safetensors, are private."""
    mask = os.umask(0o77)
    os.umask(mask)
    for path in (staged, *staged.rglob("*")):
        if not path.is_symlink():
            os.chmod(path, (0o777 if path.is_dir() else 0o666) & ~mask)


def _replace(final: Path, staged: Path) -> None:
    if not final.exists():
        os.replace(staged, final)
        return
    old = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}.", suffix=REPLACED))
    with _locked(old):
        os.replace(final, old / final.name)
        os.replace(staged, final)
        shutil.rmtree(old)


def _refill(final: Path, staged: Path) -> None:
    """Move the files of `staged` up into the folder around it. The cards go last: what is half moved has none."""
    for path in final.iterdir():
        if not path.name.startswith(".") and path.name != "lost+found":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for path in sorted(staged.iterdir(), key=lambda p: (p.suffix == ".json", p.name == "card.json")):
        os.replace(path, final / path.name)
    staged.rmdir()


def _recover(final: Path, siblings: Path) -> None:
    if previous := interrupted_save(final):
        os.replace(previous, final)
    for suffix in (STAGED, REPLACED):
        for path in _leftovers(final, siblings, suffix):
            shutil.rmtree(path, ignore_errors=True)


def _leftovers(final: Path, siblings: Path, suffix: str) -> Iterator[Path]:
    """Folders of that kind which no living process holds."""
    name = re.compile(rf"\.{re.escape(final.name)}\.[^.]+{re.escape(suffix)}")
    try:
        matches = sorted(p for p in siblings.iterdir() if name.fullmatch(p.name))
    except OSError:
        return
    for path in matches:
        with _locked(path) as free:
            pass
        if free:
            yield path


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock, which the system frees when the process dies. Yields False where another process holds
    it, and where the system has no such locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield False
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another process holds it, or a network drive has no locks
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
