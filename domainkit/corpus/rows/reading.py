"""One row after another in domainkit's own forms: columns are mapped, the layout is recognised, nested JSON is read."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from shlex import quote
from statistics import fmean
from typing import NamedTuple

from domainkit.corpus.rows.columns import LOOKED_AT, Columns, as_map, fields_of, likely_columns, parse_columns
from domainkit.corpus.rows.formats.arrow import numbers_as_text
from domainkit.corpus.rows.formats.header import folded
from domainkit.corpus.rows.jsonl import RowError
from domainkit.corpus.rows.layouts import COMMON, FIELDS, LAYOUTS, Layout, candidates
from domainkit.corpus.rows.nested import LISTS, TEXT_LISTS, TEXTS_OR_LISTS, with_nested
from domainkit.corpus.rows.source import RowSource
from domainkit.corpus.rows.turns import FORMS
from domainkit.corpus.rows.unread_fields import READ_IN_ALL_ROWS, READ_IN_TEST_ROWS
from domainkit.errors import Problem
from domainkit.messages import JsonObject

# What other tools call the same field: for a row in no layout the error says what to rename.
_OTHER_NAMES = {
    "input": ("instruction", "question", "query", "text", "source"),
    "target": ("output", "answer", "label", "response", "expected"),
    "prompt": ("instruction", "question", "input"),
    "completion": ("response", "answer", "output", "target", "chosen"),
    "messages": ("conversations", "conversation", "dialog", "turns"),
}
EXAMPLE_FIELDS = frozenset((*(f for form in FORMS for f in form), *_OTHER_NAMES["target"]))
"""Fields that a row of examples has, and a document has not."""


class Plan(NamedTuple):
    """How rows with the same fields are read."""

    layout: Layout
    names: Mapping[str, str]
    """Columns that our fields are called otherwise in the file: the column to the field."""
    nested: tuple[str, ...] = ()
    """Fields that may hold a list as text."""


class LayoutReader:
    """Rewrites the rows of a source, and remembers what it understood."""

    def __init__(self, source: RowSource, kind: str = "examples", columns: Columns | None = None) -> None:
        self.source = source
        self.kind = kind
        self.layouts: Counter[str] = Counter()
        """Rows of each layout, by its name."""
        self.names: dict[str, str] = {}
        """Columns that were read as fields of another name."""
        self.problems: list[Problem] = []
        """Of --map. After one of these no row is read."""
        self._last: Plan | None = None
        self._plans: dict[tuple[str, ...], Plan | RowError] = {}
        self._mapped = self._find_columns(columns)
        self._numbers = 0
        """The first row whose label is a number without a name."""
        if source.columns and not self.problems:
            self._check_header(source.columns)

    def native(self, row: JsonObject, number: int) -> JsonObject:
        """The row in one of domainkit's own forms; fields that no layout has stay as they are. Raises RowError."""
        plan = self._last = self._plan(row)
        layout = plan.layout
        row = self._plain(row, plan)
        if layout.labels in row:
            row = self._with_text_label(row, layout.labels, number)
        row = layout.rewrite(row)
        self.layouts[layout.name] += 1
        return row

    def ready(self, row: JsonObject, answered: JsonObject | None = None) -> JsonObject:
        """The row as JSON Lines hold it, with all its fields: read from there without columns, it is what is read here.
        A row of JSON that needs no columns stays as it is.

        `answered` is the row with an answer, where it has none. Raises RowError.
        """
        if not (self._mapped or self.source.cells or self.source.typed):
            return row
        plan = self._plan(answered or row)
        row = self._plain(row, plan)
        return _told_apart(row, plan.layout) if self._mapped else row

    def in_file(self, error: RowError) -> RowError:
        """The error of the row read last, with the names that the file has for our fields."""
        plan = self._last
        what = error.what
        if plan is not None:
            columns = {field: column for column, field in plan.names.items()}
            called = {ours: columns.get(field, field) for field, ours in plan.layout.ours}
            called |= {field: column for field, column in columns.items() if field not in dict(plan.layout.ours)}
            for ours, theirs in called.items():
                what = what.replace(f"'{ours}'", f"'{theirs}'")
        return RowError(what, error.next_step)

    def warnings(self) -> Iterator[Problem]:
        """What can be said once all rows are read."""
        if self._numbers:
            what = "labels are numbers without names: the model learns the numbers"
            next_step = "add a column label_text with their names, if they have some"
            yield self.source.warning(self._numbers, what, next_step)

    def _plain(self, row: JsonObject, plan: Plan) -> JsonObject:
        """The row with our names for what is read, and with values as JSON has them."""
        if plan.names:
            row = {plan.names.get(name, name): value for name, value in row.items()}
        if self.source.cells:
            if "" in row.values():
                row = {name: value for name, value in row.items() if value != "" or name in plan.layout.fields}
        elif self.source.typed:
            row = numbers_as_text(row, (*plan.layout.fields, *plan.layout.optional, "system"))
        return with_nested(row, plan.nested) if plan.nested else row

    def _with_text_label(self, row: JsonObject, field: str, number: int) -> JsonObject:
        label = row[field]
        is_number = isinstance(label, int) and not isinstance(label, bool)
        if not (is_number or (isinstance(label, str) and label.isdecimal())) or row.get("label_text"):
            return row
        self._numbers = self._numbers or number
        return {**row, field: str(label)}

    def _plan(self, row: JsonObject) -> Plan:
        """Raises RowError."""
        key = tuple(row)
        if not self.source.cells and None in row.values():
            key = tuple([name for name, value in row.items() if value is not None])
        plan = self._plans.get(key)
        if plan is None:
            plan = self._make_plan(key, tuple(row))
            if len(self._plans) < 10_000:  # rows whose fields all differ would fill the memory
                self._plans[key] = plan
        if isinstance(plan, RowError):
            raise plan
        return plan

    def _make_plan(self, filled: tuple[str, ...], every: tuple[str, ...]) -> Plan | RowError:
        """The plan for rows with the fields `every`, of which `filled` are not null."""
        missing = [c for c in self._mapped.values() if c not in every]
        if missing:
            found = ", ".join(f"'{name}'" for name in every)
            return RowError(f"has no column '{missing[0]}' (found: {found})", "correct --map, or the row")
        names = self._names(every)
        mapped = frozenset(self._mapped)
        for columns in (filled, every):
            fitting = candidates(frozenset(names.get(c, c) for c in columns), self.kind, mapped)
            if len(fitting) > 1:
                return _ambiguous(fitting, columns)
            if fitting:
                other = {c: f for c, f in names.items() if f != c}
                self.names |= other
                return Plan(fitting[0], other, self._nested(fitting[0], [names.get(c, c) for c in every]))
        return self._refusal(frozenset(names.get(c, c) for c in every), [names.get(c, c) for c in every])

    def _check_header(self, columns: tuple[str, ...]) -> None:
        """One problem for the whole table where its columns are in no layout."""
        plan = self._make_plan(columns, columns)
        if isinstance(plan, RowError):
            next_step = plan.next_step
            if self.kind == "examples" and plan.what.startswith("missing") and len(columns) > 1:
                first = [item[1] for item in islice(self.source.stream(), LOOKED_AT) if not isinstance(item, Problem)]
                example = as_map(likely_columns(columns, first))
                next_step = f"say which columns hold question and answer, such as --map {quote(example)}"
            self.problems.append(self.source.problem(None, plan.what, next_step))

    def _names(self, columns: Sequence[str]) -> dict[str, str]:
        """The field that each column is: as --map says, by its own name, or by its name without capitals and spaces."""
        names = {column: field for field, column in self._mapped.items()}
        for column in columns:
            if column in FIELDS and column not in names:
                # The column of a field that --map takes from another one.
                names[column] = f"{column} (not mapped)" if column in self._mapped else column
        for column in columns:
            field = folded(column)
            if column not in names and field in FIELDS and field not in names.values():
                names[column] = field
        return names

    def _find_columns(self, given: Columns | None) -> dict[str, str]:
        """The mapped columns as the file spells them. One that the file lacks is a problem with the file's columns."""
        columns = (parse_columns(given) if given else None) or {}
        there = fields_of(self.source) if columns else []
        found: dict[str, str] = {}
        for field, column in columns.items():
            spelt = [c for c in there if c == column] or [c for c in there if folded(c) == folded(column)]
            if len(spelt) == 1:
                found[field] = spelt[0]
            elif there:
                names = ", ".join(f"'{c}'" for c in there)
                what = f"has no column '{column}', which --map names (its columns: {names})"
                step = "name one of them"
                if (own := candidates(frozenset(map(folded, there)), self.kind)) and len(own) == 1:
                    step = f"leave --map out: the rows are in a layout as they are, {own[0].name}; or {step}"
                self.problems.append(self.source.problem(None, what, step))
        return found

    def _nested(self, layout: Layout, names: Sequence[str]) -> tuple[str, ...]:
        """In cells a text, too, may be a list; elsewhere only what cannot be text."""
        if not self.source.cells:
            return tuple(name for name in names if name in LISTS)
        texts = [name for name in TEXTS_OR_LISTS if name in layout.fields]
        return tuple(name for name in names if name in LISTS or name in TEXT_LISTS or name in texts)

    def _refusal(self, names: frozenset[str], found: Sequence[str]) -> RowError:
        if self.kind == "examples":
            if refused := _other_kind(names):
                return refused
            return missing_form(dict.fromkeys(found))
        from domainkit.corpus.preferences import missing_preference

        return missing_preference(dict.fromkeys(found), self.kind)


def _other_kind(names: frozenset[str]) -> RowError | None:
    """Rows of pairs: read as examples, they would lose one answer."""
    if candidates(names, "pairs"):
        next_step = "train on it with `domainkit prefer`, or keep 'prompt' and 'chosen', the latter as 'completion'"
        return RowError("is a pair of answers, not an example", next_step)
    return None


def _told_apart(row: JsonObject, layout: Layout) -> JsonObject:
    """The row, its fields of other layouts renamed where they could be taken for its question or answer."""
    names = {*row, *map(folded, row), *layout.fields}
    if not any(names.issuperset(other.fields) for other in LAYOUTS if other is not layout):
        return row
    read = {*layout.fields, *layout.optional, *COMMON}
    return {f"{n} (not mapped)" if n not in read and folded(n) in FIELDS else n: v for n, v in row.items()}


def _ambiguous(fitting: Sequence[Layout], columns: Sequence[str]) -> RowError:
    described = " and ".join(f"{layout.name} ({', '.join(map(repr, layout.fields))})" for layout in fitting)
    what = f"fits several layouts: {described}"
    return RowError(what, f"say which columns count, such as --map {_example_map(fitting[0])}, or delete the others")


def _example_map(layout: Layout) -> str:
    return ",".join(f"{field}={field}" for field in layout.fields)


# ---- what is wrong with a row in no layout ---------------------------------------------------------------------------


def missing_form(row: Mapping[str, object]) -> RowError:
    """The refusal of a row that has no layout: the nearest form, what of it is missing, and what to rename or map."""
    partial = next((form for form in FORMS if any(f in row for f in form)), None)
    if partial is None:

        def share_named(form: Sequence[str]) -> float:
            return fmean(any(name in row for name in _OTHER_NAMES[f]) for f in form)

        partial = max(reversed(FORMS), key=share_named)
    missing = {f: _renamed(f, row) for f in partial if f not in row}
    layouts = "a row has " + ", or ".join(" and ".join(f"'{f}'" for f in form) for form in reversed(FORMS))
    error = missing_fields(row, partial, missing, f"{layouts}; other columns: --map input=COLUMN,target=COLUMN")
    renames = ",".join(f"{f}={name}" for f, name in missing.items() if name)
    return RowError(error.what, f"{error.next_step} (or --map {renames})" if renames else error.next_step)


def missing_fields(
    row: Mapping[str, object], layout: Sequence[str], renamed: Mapping[str, str | None], otherwise: str
) -> RowError:
    """The refusal of a row without the fields `renamed`. The next step says what each is called in the row, and what to
    do with the fields that would then be left out."""
    fields = ", ".join(f"'{f}'" for f in row) or "none"
    what = f"missing field{'s' if len(renamed) > 1 else ''} {' and '.join(map(repr, renamed))} (found: {fields})"
    renames = [f"rename '{other}' to '{f}'" for f, other in renamed.items() if other]
    read = {*layout, *renamed.values(), *READ_IN_ALL_ROWS, *READ_IN_TEST_ROWS}
    left = [f"'{f}'" for f in row if f not in read]
    if renames and left:
        into = next(f for f in (*layout, "messages") if f in ("input", "prompt", "messages"))
        renames.append(f"no other field is read: put the text of {', '.join(left)} into '{into}' too where it matters")
    return RowError(what, "; ".join(renames) or otherwise)


def _renamed(missing: str, row: Mapping[str, object]) -> str | None:
    """The row's field that was probably meant: a near spelling, or another tool's name for it."""
    ours = {f for form in FORMS for f in form} | {"id", "system"}
    others = [f for f in row if f not in ours]
    names = (missing, *_OTHER_NAMES[missing])
    exact = next((f for name in names for f in others if f.strip().lower() == name), None)
    return exact or next(iter(difflib.get_close_matches(missing, others, n=1, cutoff=0.75)), None)


__all__ = ["COMMON", "EXAMPLE_FIELDS", "Columns", "LayoutReader", "missing_fields", "missing_form"]
