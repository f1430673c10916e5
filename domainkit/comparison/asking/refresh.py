"""Asking hosted models again: which answers on disk are too old, also where such a run was interrupted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from domainkit.comparison.asking.call_runnable import now
from domainkit.comparison.score import Rows
from domainkit.storage import write_text

FILE = "refresh.json"
"""In the run's folder while a refresh is not finished: the time when it began."""


class Refresh:
    """One `refresh` of the run folder, over all runs that it takes."""

    def __init__(self, folder: Path, *, wanted: bool) -> None:
        self._path = folder / FILE
        self.since = self._begin() if wanted else ""
        """Answers given before this are asked again; "" for none."""

    def _begin(self) -> str:
        try:
            since = json.loads(self._path.read_text(encoding="utf-8"))["since"]
        except (OSError, ValueError, KeyError, TypeError):
            since = None
        if not isinstance(since, str) or since > now():
            since = now()
            write_text(self._path, json.dumps({"since": since}))
        return since

    def finish(self, rows: Iterable[Rows]) -> None:
        """The next refresh is another one, unless some of these rows are errors: then it goes on from here."""
        if not self.since or all(row is None or row.error is None for column in rows for row in column):
            self._path.unlink(missing_ok=True)
