"""Where domainkit keeps what is its own: unpacked models, indexes, and what outlives a run."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from domainkit.errors import MachineError, saving


def cache_dir() -> Path:
    """The folder of unpacked models and indexes: $DOMAINKIT_CACHE, else domainkit in $XDG_CACHE_HOME or ~/.cache.

    A user without a home, as in some containers, gets a private folder for temporary files.
    """
    return _own_folder("DOMAINKIT_CACHE", "XDG_CACHE_HOME", ".cache") or _temporary_cache()


def state_dir() -> Path:
    """The folder of what outlives a run: $DOMAINKIT_STATE, else domainkit in $XDG_STATE_HOME or ~/.local/state.

    Raises MachineError for a user without a home.
    """
    if folder := _own_folder("DOMAINKIT_STATE", "XDG_STATE_HOME", ".local/state"):
        return folder
    what = "this user has no home folder"
    raise MachineError(what, next_step="set DOMAINKIT_STATE to a folder you may write to")


def _own_folder(variable: str, shared_variable: str, below_home: str) -> Path | None:
    if folder := os.environ.get(variable):
        return Path(folder)
    try:
        return Path(os.environ.get(shared_variable) or Path.home() / below_home) / "domainkit"
    except RuntimeError:  # no HOME, and no line in /etc/passwd
        return None


def _temporary_cache() -> Path:
    folder = Path(tempfile.gettempdir()) / f"domainkit-{os.getuid()}"
    with saving(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        # Another user may have made a folder of this name first, and could put other weights into it.
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            raise PermissionError(errno.EACCES, "it belongs to another user")
    return folder
