"""What rows hold and nobody reads: each field is named once, with the number of rows that have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from domainkit.corpus.example import Example
from domainkit.corpus.rows.source import RowSource
from domainkit.corpus.rows.synthetic import fields_of_mark
from domainkit.errors import Problem
from domainkit.messages import JsonObject

READ_IN_ALL_ROWS = frozenset(("system", "tools", "id", "doc_ids", "task"))
READ_IN_TEST_ROWS = frozenset(("references", "group", "kind"))
_READ_IN_MESSAGES = {
    "assistant": frozenset(("role", "content", "tool_calls", "weight")),
    "tool": frozenset(("role", "content", "tool_call_id", "name")),
}
_READ_IN_EACH = frozenset(("role", "content"))
_NAMED = 20
"""Fields that a message names; more are counted."""


class UnreadFields:
    """Counts what a file's rows hold beside the fields that were read."""

    def __init__(self) -> None:
        self._rows: Counter[str] = Counter()
        self._first = 0
        self._weightless: set[str] = set()
        self._learnt: set[int] = set()
        self._earlier: list[tuple[int, list[int]]] = []

    def add(self, row: JsonObject, line: int, layout: Collection[str], example: Example | None = None) -> None:
        """`layout`: the fields that the row was read from; `example`: what they became."""
        unread = list(dict.fromkeys(_unread(row, layout)))
        if unread and not self._first:
            self._first = line
        self._rows.update(unread)
        for message in _messages(row, layout):
            if message.get("weight") == 0:
                self._weightless.add(str(message.get("content")))
        if example is not None:
            self._add_turns(example, line)

    def _add_turns(self, example: Example, line: int) -> None:
        """Remember, by hash alone, the conversation that is learnt and the earlier answers that are not."""
        earlier = []
        for i, turn in enumerate(example.turns, start=1):
            if turn.role == "assistant" and (i == len(example.turns) or turn.content not in self._weightless):
                key = hash(tuple((t.role, t.content) for t in example.turns[:i]))
                if i < len(example.turns):
                    earlier.append(key)
                else:
                    self._learnt.add(key)
        if earlier:
            self._earlier.append((line, earlier))

    def problems(self, source: RowSource) -> list[Problem]:
        """A warning for all unread fields together, and one for the assistant's turns that nothing learns."""
        return [*self._unread_fields(source), *self._unlearnt_turns(source)]

    def _unread_fields(self, source: RowSource) -> Iterator[Problem]:
        if not self._rows:
            return
        names = [f"'{name}' ({_rows(count)})" for name, count in self._rows.most_common(_NAMED)]
        more = len(self._rows) - len(names)
        what = f"not read: {', '.join(names)}{f' and {more} more fields' if more else ''}"
        next_step = "put what the model must read or learn into the fields that are read; leave what is only a note"
        yield source.warning(self._first, what, next_step)

    def _unlearnt_turns(self, source: RowSource) -> Iterator[Problem]:
        rows = [line for line, keys in self._earlier if not self._learnt.issuperset(keys)]
        if rows:
            what = f"{_rows(len(rows))} with earlier turns of the assistant: only the last turn of a row is learnt"
            next_step = 'end a row of its own with each turn to be learnt, or mark the others "weight": 0'
            yield source.warning(rows[0], what, next_step)


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count != 1 else ''}"


def _unread(row: JsonObject, layout: Collection[str]) -> Iterator[str]:
    known = READ_IN_ALL_ROWS | READ_IN_TEST_ROWS | fields_of_mark(row)
    for name, value in row.items():
        if name not in layout and name not in known and not _is_empty(value):
            yield name
    for message in _messages(row, layout):
        read = _READ_IN_MESSAGES.get(str(message.get("role")), _READ_IN_EACH)
        unread = (name for name, value in message.items() if name not in read and not _is_empty(value))
        yield from (f"{name} of a message" for name in unread)


def _messages(row: JsonObject, layout: Collection[str]) -> list[JsonObject]:
    lists = [row[name] for name in layout if isinstance(row.get(name), list)]
    return [message for messages in lists for message in messages if isinstance(message, dict)]


def _is_empty(value: object) -> bool:
    return value is None or value in ("", [], {})
