"""Files and folders written whole or not at all, and hashes of their content."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from domainkit.errors import ConfigError, saving


def cache_dir() -> Path:
    """The folder of unpacked models and indexes: $DOMAINKIT_CACHE, else domainkit in $XDG_CACHE_HOME or ~/.cache."""
    if folder := os.environ.get("DOMAINKIT_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "domainkit"


def state_dir() -> Path:
    """The folder of what outlives a run: $DOMAINKIT_STATE, else domainkit in $XDG_STATE_HOME or ~/.local/state."""
    if folder := os.environ.get("DOMAINKIT_STATE"):
        return Path(folder)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "domainkit"


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file's values. Raises ConfigError naming the file and TOML's own line and column."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as e:
        raise ConfigError(f"cannot be read: {e.strerror or e}", where=str(path), next_step="check the path") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise ConfigError(f"is not valid TOML: {e}", where=str(path), next_step="correct that line") from e


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 so that a reader, or a crash at any moment, sees the old file or the new one."""
    with saving(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, staged = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
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


@contextmanager
def staged_folder(final: Path) -> Iterator[Path]:
    """A sibling folder to fill. It becomes `final` when the block succeeds, and is deleted when it raises.

    An existing `final` is replaced at the very end, so it survives a failed write.
    """
    with saving(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}."))
        try:
            yield staged
            os.chmod(staged, 0o755)
            if final.exists():
                old = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}.old."))
                os.replace(final, old / final.name)
                os.replace(staged, final)
                shutil.rmtree(old)
            else:
                os.replace(staged, final)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of the file's bytes."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """Hex SHA-256 of a JSON value, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_lines(lines: Iterable[str]) -> str:
    """Hex SHA-256 of strings in order, each ended by a newline: the fingerprint of a data set."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()
