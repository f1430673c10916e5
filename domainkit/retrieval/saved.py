"""Indexes on disk: one folder per content, verified when read, rebuilt when damaged. Never pickle."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol, TypeVar

from domainkit.errors import DomainkitError
from domainkit.storage import cache_dir, sha256_file, sha256_json, staged_folder

FORMAT = "domainkit.index/1"
log = logging.getLogger(__name__)


_brought: list[Path] = []
"""Folders of indexes that lie outside the cache, such as those of a pack."""
_used: ContextVar[list[Path] | None] = ContextVar("used", default=None)


class Index(Protocol):
    """An index that can be saved: `save` fills an empty folder."""

    def save(self, folder: Path) -> None: ...


Built = TypeVar("Built", bound=Index)


def saved(contents: Mapping[str, object], build: Callable[[], Built], load: Callable[[Path], Built]) -> Built:
    """The index that the JSON value `contents` determines: read from the cache when undamaged, else built and saved.

    What is returned is what `load` makes of the files: large arrays can be mapped. When the cache cannot be written, a
    warning is logged and the index is returned as it was built.
    """
    folder = index_folder(contents)
    for place in (folder, *(brought / folder.name for brought in _brought)):
        if _undamaged(place):
            try:
                return _noted(load(place), place)
            except (OSError, ValueError, KeyError) as e:
                log.warning("index %s cannot be read (%s): building it again", place, e)
    index = build()
    try:
        with staged_folder(folder) as staged:
            index.save(staged)
            files = {f.relative_to(staged).as_posix(): sha256_file(f) for f in sorted(staged.rglob("*")) if f.is_file()}
            (staged / "index.json").write_text(
                json.dumps({"format": FORMAT, "files": files}, indent=1), encoding="utf-8"
            )
    except (DomainkitError, OSError) as e:
        # Also when another process saves the same index at the same moment.
        log.warning("index not saved: %s", e)
        return index
    try:
        return _noted(load(folder), folder)
    except (OSError, ValueError, KeyError):  # removed at this moment
        return index


def bring_indexes(folder: Path) -> None:
    """Read indexes from `folder` too, where the cache has none of the same content."""
    if folder not in _brought:
        _brought.append(folder)


@contextmanager
def noting_indexes() -> Iterator[list[Path]]:
    """Yields a list that gets the folder of every index that is read or saved inside the block."""
    folders: list[Path] = []
    token = _used.set(folders)
    try:
        yield folders
    finally:
        _used.reset(token)


def _noted(index: Built, folder: Path) -> Built:
    if (used := _used.get()) is not None and folder not in used:
        used.append(folder)
    return index


def digest_of(texts: Iterable[str]) -> str:
    """One digest of texts and their order; only one of them is in memory at a time."""
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def index_folder(contents: Mapping[str, object]) -> Path:
    """Where the index of `contents` is kept."""
    return cache_dir() / "indexes" / sha256_json({"format": FORMAT, **contents})[:32]


def _undamaged(folder: Path) -> bool:
    """Whether every file of the folder has the bytes it was saved with."""
    card = folder / "index.json"
    if not card.is_file():
        return False
    try:
        record = json.loads(card.read_text(encoding="utf-8"))
        files = record["files"].items() if record["format"] == FORMAT else [("", "")]
        damaged = [name for name, digest in files if sha256_file(folder / name) != digest]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as e:
        damaged = [str(e)]
    if damaged:
        log.warning("index %s is damaged (%s): building it again", folder, ", ".join(damaged))
    return not damaged
