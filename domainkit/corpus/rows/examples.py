"""Examples from rows, one at a time: whatever holds the rows, and in whatever layout they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from domainkit.corpus.example import Example
from domainkit.corpus.rows.jsonl import NumberedRow, RowError
from domainkit.corpus.rows.layouts import FIELDS, LAYOUTS
from domainkit.corpus.rows.open_questions import with_answer
from domainkit.corpus.rows.open_rows import open_rows
from domainkit.corpus.rows.reading import EXAMPLE_FIELDS, Columns, LayoutReader
from domainkit.corpus.rows.solved import Solved, plain_solved, solved_of
from domainkit.corpus.rows.source import RowSource
from domainkit.corpus.rows.turns import Place, example_of, form_of
from domainkit.corpus.rows.unread_fields import UnreadFields
from domainkit.errors import Problem
from domainkit.messages import JsonObject


class ReadRow(NamedTuple):
    """A row that is an example."""

    number: int
    """Which row of the source it is, from 1, whatever stands between the rows."""
    example: Example
    row: JsonObject
    """In one of domainkit's own forms, with all other fields of the row."""
    fields: JsonObject
    """The row as the source has it."""


def wanted_names(columns: Columns | None) -> frozenset[str]:
    """The names by which a table's header is found."""
    return FIELDS | {*(columns or {}).values()}


class ExampleReader:
    """Reads the examples of a source, and knows afterwards what it understood and what it left out."""

    def __init__(
        self,
        given: object,
        columns: Columns | None = None,
        source: RowSource | None = None,
        tools: Sequence[JsonObject] = (),
        *,
        open_questions: bool = False,
    ) -> None:
        """`tools` are those of rows that bring none. With `open_questions` a row may have no answer: its last turn is
        then NO_ANSWER."""
        self._open_questions = open_questions
        self._columns = columns or {}
        self.tools = list(tools)
        self.source = source or open_rows(given, wanted_names(columns))
        self.layout = LayoutReader(self.source, "examples", columns)
        self.unread = UnreadFields()
        self.rows = 0
        """Rows seen, the faulty ones too."""
        self._first: dict[int, int] = {}  # hash of an id: the number of its first row

    def __iter__(self) -> Iterator[ReadRow | Problem]:
        """Each row's example or problem, in the order of the rows; then the problems of the source as a whole."""
        for item in self._native_rows():
            if isinstance(item, Problem):
                yield item
                continue
            line, row, fields = item
            example = self._example(row, line)
            if isinstance(example, Problem):
                yield example
                continue
            self.unread.add(row, line, form_of(row), solved_of(example))
            yield ReadRow(self.rows, example, row, fields)
        yield from self._of_the_whole()

    def solved(self) -> Iterator[Solved | Problem]:
        """The same as `__iter__`, but each example as its texts alone, which is much faster."""
        for item in self._native_rows():
            if isinstance(item, Problem):
                yield item
                continue
            line, row, _ = item
            solved = plain_solved(row, line)
            if solved is None:
                example = self._example(row, line)
                if isinstance(example, Problem):
                    yield example
                    continue
                solved = solved_of(example)
            self.unread.add(row, line, form_of(row), solved)
            yield solved
        yield from self._of_the_whole()

    def ready(self, rows: Iterable[JsonObject]) -> list[JsonObject]:
        """`LayoutReader.ready` of each row; one that cannot be read stays as it is."""
        made = []
        for row in rows:
            try:
                made.append(self.layout.ready(row, self._with_answer(row)))
            except RowError:
                made.append(row)
        return made

    def _native_rows(self) -> Iterator[tuple[int, JsonObject, JsonObject] | Problem]:
        """(line, row in one of domainkit's own forms, row as it is)."""
        if self.layout.problems:
            return
        for item in self.source.stream():
            self.rows += 1
            if isinstance(item, Problem):
                yield item
                continue
            line, fields = item
            try:
                if "label" in fields:
                    _refuse_marked(fields)
                native = self.layout.native(self._with_answer(fields), line)
                if self.tools and native.get("tools") is None:
                    native = {**native, "tools": self.tools}
                yield line, native, fields
            except RowError as e:
                yield self.source.problem(line, e.what, e.next_step)

    def _with_answer(self, fields: JsonObject) -> JsonObject:
        return with_answer(fields, self._columns) if self._open_questions else fields

    def _of_the_whole(self) -> Iterator[Problem]:
        yield from self.source.problems
        yield from self.layout.problems
        yield from self.layout.warnings()
        yield from self.unread.problems(self.source)
        if not self.rows and not self.source.problems and not self.layout.problems:
            yield self.source.no_rows('{"input": ..., "target": ...}', "input,target")

    def _example(self, row: JsonObject, line: int) -> Example | Problem:
        try:
            example = example_of(row, Place(self.source.place(line), line, self.source.unit))
        except RowError as e:
            wrong = self.layout.in_file(e)
            return self.source.problem(line, wrong.what, wrong.next_step)
        if example.id is not None:
            first = self._first.setdefault(hash(example.id), self.rows)
            if first != self.rows:
                what = f"the id '{example.id}' is already on {self._where(first)}"
                return self.source.problem(line, what, "give each row an id of its own, or leave ids out")
        return example

    def _where(self, number: int) -> str:
        """The line, or row, of the row with this number."""
        unit = self.source.unit or "line"
        for count, item in enumerate(self.source.stream(), start=1):
            if count == number and not isinstance(item, Problem):
                return f"{unit} {item[0]}"
        return f"an earlier {unit}"


def scan_examples(
    given: object, columns: Columns | None = None, tools: Sequence[JsonObject] = ()
) -> tuple[list[Example], list[Problem]]:
    """The well-formed examples, a Problem for each other row, and warnings of what is not read. `tools` are those of
    rows that bring none."""
    examples: list[Example] = []
    problems: list[Problem] = []
    for item in ExampleReader(given, columns, tools=tools):
        if isinstance(item, Problem):
            problems.append(item)
        else:
            examples.append(item.example)
    return examples, sorted(problems, key=lambda p: p.line or 0)


def looks_like_examples(rows: Sequence[NumberedRow]) -> bool:
    """Whether rows are examples rather than documents: at most half have a "text" and no field of an example."""
    documents = sum("text" in row and _ANSWERS.isdisjoint(row) for _, row in rows)
    return 2 * documents <= len(rows)


def _refuse_marked(row: JsonObject) -> None:
    """A row of marked answers: read as an example, a bad answer would be learnt."""
    if row.get("label") is False and "completion" in row:
        next_step = "train on it with `domainkit prefer`, or keep only the rows whose 'label' is true"
        raise RowError("is an answer marked as bad ('label' is false)", next_step)


_ANSWERS = EXAMPLE_FIELDS | {field for layout in LAYOUTS for field in layout.fields if field != "text"}
