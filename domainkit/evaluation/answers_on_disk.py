"""Answered rows on disk: appended one by one, so that a killed comparison continues where it stopped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from pydantic import BaseModel, ConfigDict, model_validator

from domainkit.appended_lines import AppendedLines
from domainkit.evaluation.task import Sample
from domainkit.storage import sha256_json

Progress = Callable[[str, int, int], None]
"""(what is asked, questions answered, questions in all)."""


class _Stored(BaseModel):
    """A part of the file."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _whole_characters(cls, values: object) -> object:
        """Half of a surrogate pair, which a model may write, has no UTF-8: it becomes U+FFFD."""
        return _whole(values)


class PassageRow(_Stored):
    """A passage that was in the prompt."""

    id: str
    title: str = ""
    text: str = ""


class Row(_Stored):
    """One answer of one variant."""

    key: str
    """Content key of what answered: a changed adapter, prompt or corpus has another key, so an old answer never stands
    for it."""
    variant: str
    id: str
    """Of the question, in the task that it was asked for."""
    question: str = ""
    """Digest of everything that was asked (`asked`): an edited question has another. "" in older files."""
    text: str = ""
    passages: tuple[PassageRow, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    """The part of `prompt_tokens` that the provider had in its cache, where it reports it."""
    seconds: float | None = None
    """This answer's share of the compute."""
    prefill_seconds: float | None = None
    """The part of `seconds` that read the prompt, where the model reports it."""
    decode_seconds: float | None = None
    """The part of `seconds` that wrote the answer."""
    memory_bytes: int | None = None
    """Memory of the process when the answer's batch was done."""
    error: str | None = None
    asked: str = ""
    """When, in UTC: 2026-03-01T09:30:00.000Z. "" in older files."""
    model_version: str = ""
    """What the provider says answered, where it says it: a hosted model may change behind its name."""

    @property
    def place(self) -> str:
        """What the row is found by, beside its key. The id of a general question is a digest of its content."""
        return self.question or self.id


def asked(sample: Sample, *, gold: bool = False) -> str:
    """Digest of all that a variant is asked: the input with its system turn, earlier turns and tools; with `gold` its
    documents, too.

    Neither the id nor the place in the file is part of it, so a row that moves keeps its answer.
    """
    judged_by = {"id", "target", "references", "group", "conversation", "meta"}
    hidden = judged_by if gold else {*judged_by, "doc_ids"}
    return sha256_json(sample.model_dump(mode="json", exclude=hidden, exclude_defaults=True))


def asked_each(samples: Iterable[Sample], *, gold: bool = False) -> dict[str, str]:
    """`asked` by the samples' ids. A question that stands there twice is asked twice: the second has a number."""
    count: Counter[str] = Counter()
    found = {}
    for sample in samples:
        digest = asked(sample, gold=gold)
        count[digest] += 1
        found[sample.id] = digest if count[digest] == 1 else f"{digest}-{count[digest]}"
    return found


def _whole(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_whole(k): _whole(v) for k, v in value.items()}
    return [_whole(v) for v in value] if isinstance(value, list | tuple) else value


class RowStore:
    """The rows of one file. A context manager: one process at a time owns the file."""

    def __init__(self, path: Path) -> None:
        self._file = AppendedLines(path, "another comparison", "choose another --out")
        self._rows: dict[str, dict[str, Row]] = {}
        """By key, then by what was asked."""

    def __enter__(self) -> RowStore:
        self._file.__enter__()
        self._add(row for line in self._file.lines if (row := _parse(line)) is not None)
        self._file.lines.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)

    @property
    def path(self) -> Path:
        """Of the file."""
        return self._file.path

    def finished(self, key: str) -> dict[str, Row]:
        """Rows answered under `key`, by what was asked. Rows that ended in an error are not among them: they are tried
        again."""
        return {question: row for question, row in self.all_of(key).items() if row.error is None}

    def all_of(self, key: str) -> dict[str, Row]:
        """Rows under `key`, errors too."""
        return dict(self._rows.get(key, {}))

    def forget(self, key: str, before: str) -> None:
        """Ask the questions again that were answered under `key` before that time. The file keeps the old rows: they
        count again where no newer ones are written."""
        kept = {place: row for place, row in self._rows.get(key, {}).items() if row.asked >= before}
        self._rows[key] = kept

    def append(self, rows: Iterable[Row], *, sync: bool = True) -> None:
        """Write rows through to the disk; without `sync` to the system alone, which a kill cannot take back."""
        rows = list(rows)
        self._file.append((row.model_dump_json().encode() for row in rows), sync=sync)
        self._add(rows)

    def _add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            found = self._rows.setdefault(row.key, {})
            if row.error is None or row.place not in found or found[row.place].error is not None:
                found[row.place] = row  # a failed attempt takes no answer away

    @property
    def old_rows(self) -> int:
        """How many rows there are, where none says which question it answers."""
        rows = [row for rows in self._rows.values() for row in rows.values()]
        return 0 if any(row.question for row in rows) else len(rows)


def _parse(line: bytes) -> Row | None:
    """A row, or None for a damaged line: its item is answered again."""
    try:
        return Row.model_validate(json.loads(line))
    except ValueError:
        return None
