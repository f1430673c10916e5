"""What rows hold and nobody reads: each field is named once, with the number of rows that have it."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator

from domainkit.corpus.rows.distilled import FIELD, teacher_of
from domainkit.corpus.rows.solved import PLAIN_ROLES, Solved
from domainkit.corpus.rows.source import RowSource
from domainkit.corpus.rows.synthetic import fields_of_mark
from domainkit.errors import Problem
from domainkit.messages import JsonObject

READ_IN_ALL_ROWS = frozenset(("system", "tools", "id", "doc_ids", "task"))
READ_IN_TEST_ROWS = frozenset(("references", "group", "kind", "conversation_id"))
FROM_REVIEW = "from_review"
"""Field of a row that was made from a review: which question, whose. A note, which nothing reads."""
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
        self._learnt = array("q")  # hashes of the conversations that are learnt
        self._read = READ_IN_ALL_ROWS | READ_IN_TEST_ROWS | {"input", "target"}
        self._earlier: list[tuple[int, list[int]]] = []
        self.are_learnt = True
        """Whether the rows are learnt from; of test rows nothing is said about what is learnt."""

    def add(self, row: JsonObject, line: int, layout: Collection[str], solved: Solved | None = None) -> None:
        """`layout`: the fields that the row was read from; `solved`: what they became."""
        if not self._read.issuperset(row):
            self._add_fields(row, line, layout)
        if solved is None:
            return
        if solved.roles != PLAIN_ROLES:
            self._add_earlier(row, line, layout, solved)
        self._learnt.append(hash((solved.roles, solved.contents)))

    def _add_fields(self, row: JsonObject, line: int, layout: Collection[str]) -> None:
        unread = list(dict.fromkeys(_unread(row, layout)))
        if unread and not self._first:
            self._first = line
        self._rows.update(unread)

    def _add_earlier(self, row: JsonObject, line: int, layout: Collection[str], solved: Solved) -> None:
        """Remember, by hash alone, the earlier answers of a conversation."""
        for message in _messages(row, layout):
            if message.get("weight") == 0:
                self._weightless.add(str(message.get("content")))
        keys = [
            hash((solved.roles[:i], solved.contents[:i]))
            for i, (role, content) in enumerate(zip(solved.roles, solved.contents, strict=True), start=1)
            if i < len(solved.roles) and role == "assistant" and content not in self._weightless
        ]
        if keys:
            self._earlier.append((line, keys))

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
        if not self.are_learnt:
            return
        learnt = set(self._learnt) if self._earlier else set()
        rows = [line for line, keys in self._earlier if not learnt.issuperset(keys)]
        if rows:
            what = (
                f"{_rows(len(rows))} with earlier turns of the assistant: unless turns=all, only a row's last is learnt"
            )
            next_step = 'train with turns=all, end a row with each turn to be learnt, or mark the others "weight": 0'
            yield source.warning(rows[0], what, next_step)


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count != 1 else ''}"


def _unread(row: JsonObject, layout: Collection[str]) -> Iterator[str]:
    known = READ_IN_ALL_ROWS | READ_IN_TEST_ROWS | fields_of_mark(row) | {FROM_REVIEW}
    if teacher_of(row):
        known |= {FIELD}
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
