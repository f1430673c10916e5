"""Indexes kept between runs: a folder per content, verified when read, rebuilt when damaged. No pickle anywhere."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from domainkit.errors import MachineError
from domainkit.storage import cache_dir, sha256_file, sha256_json, staged_folder

FORMAT = "domainkit.index/1"
log = logging.getLogger(__name__)


class Index(Protocol):
    """What can be saved: `save` fills an empty folder; its class's `load` reads one."""

    def save(self, folder: Path) -> None: ...


Built = TypeVar("Built", bound=Index)


def saved(contents: dict[str, Any], build: Callable[[], Built], load: Callable[[Path], Built]) -> Built:
    """The index of `contents`, a JSON value that decides it: read from the cache if whole, else built and saved.

    A cache that cannot be written costs time, never the answer.
    """
    folder = index_folder(contents)
    if _whole(folder):
        try:
            return load(folder)
        except (OSError, ValueError, KeyError) as e:
            log.warning("index %s cannot be read (%s): building it again", folder, e)
    index = build()
    try:
        with staged_folder(folder) as staged:
            index.save(staged)
            files = {f.relative_to(staged).as_posix(): sha256_file(f) for f in sorted(staged.rglob("*")) if f.is_file()}
            (staged / "index.json").write_text(
                json.dumps({"format": FORMAT, "files": files}, indent=1), encoding="utf-8"
            )
    except (MachineError, OSError) as e:
        # Also when another process saved the same index in the same moment.
        log.warning("index not saved: %s", e)
    return index


def index_folder(contents: dict[str, Any]) -> Path:
    """Where the index of `contents` is kept."""
    return cache_dir() / "indexes" / sha256_json({"format": FORMAT, **contents})[:32]


def _whole(folder: Path) -> bool:
    """Whether the folder is an index whose every file has the bytes it was saved with."""
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
