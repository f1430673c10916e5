"""A file that grows line by line, owned by one process at a time: a kill loses at most the line it was writing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from domainkit.errors import ConfigError, saving


class AppendedLines:
    """The lines of `path`, and a lock on it. A context manager.

    `owner` is who else may hold the lock, as "another comparison"; `otherwise` what to do then beside waiting.
    """

    def __init__(self, path: Path, owner: str, otherwise: str) -> None:
        self.path = path
        self.lines: list[bytes] = []
        """Those that were there when it was opened, without their ends."""
        self._owner = owner
        self._otherwise = otherwise

    def __enter__(self) -> Self:
        with saving(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: what a full disk refused must not be tried again when the file is closed.
            self._file = self.path.open("a+b", buffering=0)
        self._lock()
        self._read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, lines: Iterable[bytes], *, sync: bool = True) -> None:
        """Write lines through to the disk; without `sync` to the system alone, where only a power failure loses them.
        Where that fails, none of them is in the file."""
        data = memoryview(b"".join(line + b"\n" for line in lines))
        with saving(self.path):
            size = os.fstat(self._file.fileno()).st_size
            try:
                while data:
                    data = data[self._file.write(data) :]
                if sync:
                    os.fsync(self._file.fileno())
            except OSError:
                os.truncate(self._file.fileno(), size)
                raise

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows has no advisory lock: there the user must not start two runs in one folder
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise ConfigError(
                f"{self._owner} is writing this folder",
                where=str(self.path.parent),
                next_step=f"wait for it to end, or {self._otherwise}",
            ) from None

    def _read(self) -> None:
        self._file.seek(0)
        data = self._file.read()
        end = data.rfind(b"\n") + 1
        if end < len(data):  # a kill cut off the last line
            self._file.truncate(end)
        self.lines = data[:end].splitlines()
        self._file.seek(0, os.SEEK_END)


__all__ = ["AppendedLines"]
