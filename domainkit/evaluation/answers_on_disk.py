"""Answered rows on disk: appended one by one, so that a killed comparison continues where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from pydantic import BaseModel, ConfigDict

from domainkit.errors import ConfigError, saving

Progress = Callable[[str, int, int], None]
"""(what is asked, questions answered, questions in all)."""


class PassageRow(BaseModel):
    """A passage that was in the prompt."""

    model_config = ConfigDict(frozen=True)

    id: str
    title: str = ""
    text: str = ""


class Row(BaseModel):
    """One answer of one variant."""

    model_config = ConfigDict(frozen=True)

    key: str
    """Content key of what answered: a changed adapter, prompt or corpus has another key, so an old answer never stands
    for it."""
    variant: str
    id: str
    """Of the question."""
    text: str = ""
    passages: tuple[PassageRow, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    """This answer's share of the compute."""
    prefill_seconds: float | None = None
    """The part of `seconds` that read the prompt, where the model reports it."""
    decode_seconds: float | None = None
    """The part of `seconds` that wrote the answer."""
    memory_bytes: int | None = None
    """Memory of the process when the answer's batch was done."""
    error: str | None = None


class RowStore:
    """The rows of one file. A context manager: one process at a time owns the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[tuple[str, str], Row] = {}

    def __enter__(self) -> RowStore:
        with saving(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b")
        self._lock()
        self._read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def finished(self, key: str) -> dict[str, Row]:
        """Rows answered under `key`, by item id. Rows that ended in an error are not among them: they are tried
        again."""
        return {row.id: row for (k, _), row in self._rows.items() if k == key and row.error is None}

    def all_of(self, key: str) -> dict[str, Row]:
        """Rows under `key`, errors too."""
        return {row.id: row for (k, _), row in self._rows.items() if k == key}

    def append(self, rows: Iterable[Row]) -> None:
        """Write rows through to the disk."""
        rows = list(rows)
        data = b"".join(row.model_dump_json().encode() + b"\n" for row in rows)
        with saving(self.path):
            self._file.write(data)
            self._file.flush()
            os.fsync(self._file.fileno())
        self._rows.update({(row.key, row.id): row for row in rows})

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
                "another comparison is writing this folder",
                where=str(self.path.parent),
                next_step="wait for it to end, or choose another --out",
            ) from None

    def _read(self) -> None:
        self._file.seek(0)
        data = self._file.read()
        end = data.rfind(b"\n") + 1
        if end < len(data):  # a kill cut off the last line
            self._file.truncate(end)
        for line in data[:end].splitlines():
            row = _parse(line)
            if row is not None:
                self._rows[(row.key, row.id)] = row
        self._file.seek(0, os.SEEK_END)


def _parse(line: bytes) -> Row | None:
    """A row, or None for a damaged line: its item is answered again."""
    try:
        return Row.model_validate(json.loads(line))
    except ValueError:
        return None
