"""One run at a time in a folder, and what a living process prepares is left alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from domainkit.errors import ConfigError, saving
from domainkit.storage.writing import check_writable

_held: ContextVar[frozenset[str]] = ContextVar("held", default=frozenset())
"""The folders that this thread's run holds."""


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Keep other runs out of `folder`, also those of other processes; the system ends that when the process dies.

    A missing folder is made, and removed at the end if it is empty. Raises ConfigError where another run is in it. The
    run that holds it may call this again.
    """
    path = os.path.realpath(folder)
    if path in _held.get():
        yield
        return
    check_writable(folder)
    missing = [p for p in (Path(path), *Path(path).parents) if not p.exists()]
    with saving(folder):
        descriptor = hold_folder(path)
    token = _held.set(_held.get() | {path})
    try:
        yield
    finally:
        _held.reset(token)
        with suppress(OSError):
            for made in missing:  # ends at the first one that is not empty
                made.rmdir()
        if descriptor is not None:
            os.close(descriptor)


def hold_folder(path: str) -> int | None:
    """Keep others out of the folder until the descriptor is closed; None where the system has no such locks.

    A missing folder is made. Raises ConfigError where another holds it, also in this process.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        os.makedirs(path, exist_ok=True)
        return None
    while True:
        os.makedirs(path, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The run before may have removed the folder between the two calls.
            if os.path.exists(path) and os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            what = "another run is writing here"
            raise ConfigError(what, where=path, next_step="wait for it to end, or choose another --out") from None
        except OSError:  # a network drive without locks
            os.close(descriptor)
            return None
        os.close(descriptor)
