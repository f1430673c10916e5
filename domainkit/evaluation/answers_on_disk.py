"""Answered rows on disk: appended one by one, so that a killed comparison continues where it stopped.

A row is finished when its whole line is in the file. A line cut off by a kill is dropped when the file is next opened. Rows carry
the content key of what answered them; a changed adapter, prompt or corpus has another key, so an old answer never stands for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from domainkit.errors import ConfigError, saving

Progress = Callable[[str, int, int], None]
"""(what is asked, questions answered, questions in all)."""


class PassageRow(BaseModel):
    """A passage the model was shown."""

    model_config = ConfigDict(frozen=True)

    id: str
    title: str = ""
    text: str = ""


class Row(BaseModel):
    """One answer of one variant. `key` is the variant's content key; `seconds` this answer's share of the compute, of
    which `prefill_seconds` read the prompt and `decode_seconds` wrote the answer, where the model says so;
    `memory_bytes` what the process held when its batch was done."""

    model_config = ConfigDict(frozen=True)

    key: str
    variant: str
    id: str
    text: str = ""
    passages: tuple[PassageRow, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    prefill_seconds: float | None = None
    decode_seconds: float | None = None
    memory_bytes: int | None = None
    error: str | None = None


class RowStore:
    """The rows of one run folder. A context manager: one process at a time owns the file."""

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
        """Rows answered under `key`, by item id; rows that ended in an error are not among them, so they are tried again."""
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
        except ImportError:  # Windows: no advisory lock; two runs in one folder are then the user's to avoid
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
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            self._file.truncate(whole)
        for line in data[:whole].splitlines():
            row = _parse(line)
            if row is not None:
                self._rows[(row.key, row.id)] = row
        self._file.seek(0, os.SEEK_END)


def _parse(line: bytes) -> Row | None:
    """A row, or None for a line a disk fault spoilt: its item is simply answered again."""
    try:
        value: Any = json.loads(line)
        return Row.model_validate(value)
    except (ValueError, ValidationError):
        return None
