"""Check data: every error, and everything suspicious, before any training; and how the data were understood."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from domainkit.corpus.checks.documents import check_documents
from domainkit.corpus.checks.examples import ExampleChecks
from domainkit.corpus.checks.traits import EXAMPLE_TRAITS, TraitCounts
from domainkit.corpus.chunk import count_words
from domainkit.corpus.document_files import scan_documents
from domainkit.corpus.example import Example
from domainkit.corpus.kinds import LOOKED_AT, Kind, holds_documents, is_text, kind_of, rows_in
from domainkit.corpus.preferences import Marked, Pair, PreferenceReader, marked_reader, pair_reader
from domainkit.corpus.rows import ROW_FORMATS
from domainkit.corpus.rows.examples import ExampleReader, wanted_names
from domainkit.corpus.rows.formats.hub import PREFIX
from domainkit.corpus.rows.open_rows import open_rows
from domainkit.corpus.rows.reading import Columns, LayoutReader
from domainkit.corpus.rows.solved import Solved, solved_of
from domainkit.corpus.rows.source import RowSource
from domainkit.errors import Problem
from domainkit.text.words import fold
from domainkit.visible import visible

SHOWN = 3
"""Rows that are shown as the model will be taught them."""


class Summary(BaseModel):
    """Data in numbers: the well-formed rows only. An example's words are those of the whole conversation."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    rows: int
    distinct_targets: int | None
    """Different folded targets; None for documents."""
    words: int
    mean_words: float
    longest_words: int
    longest_at: str
    """Where the longest is, as messages name it; "" when there is none."""

    def __str__(self) -> str:
        targets = "" if self.distinct_targets is None else f", {self.distinct_targets:,} distinct targets"
        longest = f", the longest {self.longest_words:,} at {visible(self.longest_at)}" if self.longest_at else ""
        return f"{self.rows:,} {self.kind}{targets}; {self.words:,} words, {self.mean_words:.1f} on average{longest}"


class Understood(NamedTuple):
    """How rows were read."""

    format: str
    """As "CSV (UTF-8, a semicolon between cells)"."""
    layouts: tuple[tuple[str, int], ...] = ()
    """Each layout, and how many rows have it; the most usual first."""
    columns: tuple[tuple[str, str], ...] = ()
    """Columns that are read as a field of another name: (column, field)."""


class Inspection(NamedTuple):
    """Everything that a check finds out."""

    problems: list[Problem]
    """In order of lines."""
    summary: Summary
    understood: Understood | None
    """None for documents."""
    shown: list[Example]
    """The first examples, to be shown as the model will be taught them."""


def check(path: object, task: object = None, columns: Columns | None = None) -> list[Problem]:
    """Every error and warning of examples, pairs, marked answers or documents, in order of lines.

    `path` is a path, `hf:owner/name`, a `datasets.Dataset` or a list of dicts; `columns` says what our fields are
    called in it. With `task`, a test set, each row whose question is in it is an error too. Bad data is listed, never
    raised.
    """
    return inspect(path, task, columns).problems


def check_and_count(path: object, task: object = None, columns: Columns | None = None) -> tuple[list[Problem], Summary]:
    """`check`, and the numbers of the well-formed rows."""
    found = inspect(path, task, columns)
    return found.problems, found.summary


def inspect(given: object, task: object = None, columns: Columns | None = None) -> Inspection:
    """`check`, the numbers, and how the rows were understood. Of a million rows hashes are kept, not the rows."""
    given = Path(given) if isinstance(given, str) and not given.startswith(PREFIX) else given
    if isinstance(given, Path) and is_text(given):
        return _inspect_documents(given)
    source = open_rows(given, wanted_names(columns))
    if isinstance(given, Path) and holds_documents(given, source, columns):
        return _inspect_documents(given)
    kind = kind_of(source, columns)
    tested, problems = _questions(task, columns) if task is not None else ({}, [])
    if kind == "examples":
        found = _inspect_examples(given, source, columns, tested)
    else:
        reader = pair_reader(given, columns, source) if kind == "pairs" else marked_reader(given, columns, source)
        found = _inspect_preferences(kind, reader, tested)
    return found._replace(problems=_sorted([*found.problems, *problems]))


def _sorted(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda p: (p.path, p.line or 0, p.severity))


# ---- examples, pairs and marked answers ------------------------------------------------------------------------------


def _inspect_examples(given: object, source: RowSource, columns: Columns | None, tested: dict[int, str]) -> Inspection:
    def again() -> Iterator[Solved]:
        return (item for item in ExampleReader(given, columns, source).solved() if not isinstance(item, Problem))

    reader = ExampleReader(given, columns, source)
    checks = ExampleChecks(source)
    problems: list[Problem] = []
    for item in reader.solved():
        if isinstance(item, Problem):
            problems.append(item)
            continue
        checks.add(item)
        if tested:
            problems += _leak(item.question, source, item.line, tested)
    first = islice(ExampleReader(given, columns, source), LOOKED_AT)
    shown = islice((item.example for item in first if not isinstance(item, Problem)), SHOWN)
    problems += checks.problems(again)
    summary = _summary("examples", checks.rows, len(checks.targets), checks.words, checks.rows, checks.longest)
    return Inspection(problems, summary, _understood(source, reader.layout), list(shown))


def _inspect_preferences(
    kind: Literal["pairs", "marked answers"],
    reader: PreferenceReader[Pair] | PreferenceReader[Marked],
    tested: dict[int, str],
) -> Inspection:
    problems: list[Problem] = []
    examples: list[Example] = []
    for item in reader:
        if isinstance(item, Problem):
            problems.append(item)
        else:
            examples += (item.chosen, item.rejected) if isinstance(item, Pair) else (item.example,)
    traits = TraitCounts(EXAMPLE_TRAITS)
    for i, example in enumerate(examples):
        traits.add(solved_of(example), i)
        problems += _leak(example.question, reader.source, example.line or 0, tested)
    problems += traits.problems(lambda i, what, cure: examples[i].problem(what, cure, "warning"))
    lengths = [(sum(count_words(t.content) for t in e.turns), e.source) for e in examples]
    targets = len({fold(e.target) for e in examples})
    rows = len(examples) // (2 if kind == "pairs" else 1)
    words, longest = sum(n for n, _ in lengths), max(lengths, key=lambda pair: pair[0], default=(0, ""))
    summary = _summary(kind, rows, targets, words, len(examples), longest)
    return Inspection(problems, summary, _understood(reader.source, reader.layout), examples[:SHOWN])


def _understood(source: RowSource, layout: LayoutReader) -> Understood:
    form = f"{source.format} ({', '.join(source.facts)})" if source.facts else source.format
    counts = tuple(layout.layouts.most_common())
    return Understood(form, counts, tuple(layout.names.items()))


def _summary(kind: Kind, rows: int, targets: int | None, words: int, texts: int, longest: tuple[int, str]) -> Summary:
    return Summary(
        kind=kind,
        rows=rows,
        distinct_targets=targets,
        words=words,
        mean_words=words / texts if texts else 0.0,
        longest_words=longest[0],
        longest_at=longest[1],
    )


def _questions(task: object, columns: Columns | None) -> tuple[dict[int, str], list[Problem]]:
    """The questions of a test set, as hashes of their folded forms, with their places; and the set's problems."""
    source = open_rows(task, wanted_names(columns))
    problems = [p for p in source.problems if p.severity == "error"]
    tested: dict[int, str] = {}
    for read in ExampleReader(task, columns, source):
        if not isinstance(read, Problem):
            tested.setdefault(hash(fold(read.example.question)), read.example.source)
    # A row without a single target is a sample but not an example; its input is a test question too.
    for item in source.stream():
        if isinstance(item, Problem):
            problems.append(item)
        elif isinstance(text := item[1].get("input"), str):
            tested.setdefault(hash(fold(text)), source.place(item[0]))
    return tested, problems


def _leak(question: str, source: RowSource, line: int, tested: dict[int, str]) -> list[Problem]:
    place = tested.get(hash(fold(question))) if tested else None
    if place is None:
        return []
    next_step = "delete it from one of the files: a test on training questions measures nothing"
    return [source.problem(line, f"the input is also in the test file ({place})", next_step)]


# ---- documents -------------------------------------------------------------------------------------------------------


def _inspect_documents(path: Path) -> Inspection:
    documents, problems = scan_documents(path)
    if not documents and (rows := rows_in(path)):
        what = f"is a folder without documents, but with rows, such as {rows}"
        problems = [Problem(str(path), None, what, f"name one file: {path / rows}")]
    lengths = [(count_words(document.text), document.source) for document in documents]
    longest = max(lengths, key=lambda pair: pair[0], default=(0, ""))
    summary = _summary("documents", len(documents), None, sum(n for n, _ in lengths), len(documents), longest)
    problems += check_documents(documents)
    if documents and path.suffix.lower() in ROW_FORMATS and path.suffix.lower() != ".jsonl":
        what = "is read as documents: its columns are in no layout of rows"
        next_step = "if its rows are questions and answers, name the columns: --map input=COLUMN,target=COLUMN"
        problems.append(Problem(str(path), None, what, next_step, "warning"))
    return Inspection(_sorted(problems), summary, None, [])
