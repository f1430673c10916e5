"""By what rows are kept together or ordered: what was asked for, else what the rows show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from domainkit.corpus.example import Example
from domainkit.errors import ConfigError, DataError
from domainkit.evaluation.kinds.label import ROWS_PER_LABEL
from domainkit.messages import JsonObject
from domainkit.registry import suggestion
from domainkit.splitting.times import FIELDS, AmbiguousDatesError, parse_times

By = Literal["document", "group", "time", "label", "random"]
GROUP = "group"
LEAST_GROUPS = 10
"""A field `group` with fewer values is a kind of question rather than a source of rows: it is used only when asked
for."""


@dataclass(frozen=True)
class Method:
    """How rows are divided."""

    by: By
    field: str = ""
    """The field of the group or time."""
    why: str = ""
    """Why this method, where none was asked for."""
    keys: tuple[tuple[int, str], ...] = ()
    """(position, key): rows with an equal key stay together."""
    times: tuple[float, ...] = ()
    """Of each row, seconds since 1970."""
    notes: tuple[str, ...] = ()


def choose_method(
    examples: Sequence[Example],
    rows: Sequence[JsonObject],
    by: str | None,
    field: str | None,
    labels: Sequence[str] | None = None,
) -> Method:
    """`labels`: of each row, empty where rows have none; left out, their targets where these repeat as labels do.

    Raises ConfigError for an unknown method and for labels that are none, DataError for rows that lack what it needs.
    """
    labels = labels_of(examples) if labels is None else labels
    if by is not None and by not in get_args(By):
        raise ConfigError(f"unknown way to split '{by}'", where="--by", next_step=suggestion(by, get_args(By)))
    if field is not None and by not in ("group", "time"):
        next_step = "add --by group or --by time, which read a field, or leave --field out"
        raise ConfigError(f"the field '{field}' is not used", where="--field", next_step=next_step)
    if by is None:
        return _shown_by_rows(examples, rows, labels)
    if by == "document":
        return _by_document(examples)
    if by == "group":
        return _by_group(examples, rows, field or GROUP)
    if by == "time":
        return _by_time(examples, rows, field)
    if by == "label" and not labels:
        targets = len({e.target for e in examples})
        what = f"the {len(examples):,} rows have {targets:,} targets, which are no labels"
        raise ConfigError(what, where="--by label", next_step="leave --by out, or choose another way")
    return Method("label" if by == "label" else "random")


def labels_of(examples: Sequence[Example]) -> list[str]:
    """The targets where they are labels; else none."""
    return [e.target for e in examples] if has_labels(examples) else []


def has_labels(examples: Sequence[Example]) -> bool:
    """Whether the targets are labels, by the rule that `compare` has for training rows."""
    return 2 <= len({e.target for e in examples}) <= len(examples) / ROWS_PER_LABEL


def _shown_by_rows(examples: Sequence[Example], rows: Sequence[JsonObject], labels: Sequence[str]) -> Method:
    documents = Counter(d for e in examples for d in dict.fromkeys(e.doc_ids))
    if 2 * sum(bool(e.doc_ids) for e in examples) > len(examples) and max(documents.values()) > 1:
        return _by_document(examples, "rows name their documents (doc_ids), and some share one")
    groups = Counter(str(row[GROUP]) for row in rows if row.get(GROUP) not in (None, ""))
    notes: tuple[str, ...] = ()
    if 2 * sum(groups.values()) > len(rows) and max(groups.values()) > 1:
        if len(groups) >= LEAST_GROUPS:
            return _by_group(examples, rows, GROUP, f"rows have the field '{GROUP}' with {len(groups):,} values")
        notes = (f"the field '{GROUP}' has {len(groups)} values and was not used: --by group keeps each on one side",)
    if labels:
        return Method("label", why=f"{len(set(labels))} targets repeat, as labels do", notes=notes)
    return Method("random", why="rows share no documents or groups, and targets are not labels", notes=notes)


def _by_document(examples: Sequence[Example], why: str = "") -> Method:
    keys = tuple((i, document) for i, e in enumerate(examples) for document in e.doc_ids)
    if not keys:
        problem = examples[0].problem("no row names its documents", 'write "doc_ids": ["…"], or choose another --by')
        raise DataError([problem])
    return Method("document", "doc_ids", why, keys, notes=_without(examples, {i for i, _ in keys}, "document"))


def _by_group(examples: Sequence[Example], rows: Sequence[JsonObject], field: str, why: str = "") -> Method:
    _check_field(rows, field, "group")
    values = [row.get(field) for row in rows]
    keys = tuple((i, str(value)) for i, value in enumerate(values) if value not in (None, "", []))
    return Method("group", field, why, keys, notes=_without(examples, {i for i, _ in keys}, "group"))


def _without(examples: Sequence[Example], have: set[int], noun: str) -> tuple[str, ...]:
    lacking = [e for i, e in enumerate(examples) if i not in have]
    if not lacking:
        return ()
    count = f"{len(lacking):,} row{'s' if len(lacking) > 1 else ''}"
    return (f"{count} without a {noun}, the first at {lacking[0].source}: each stands alone",)


def _by_time(examples: Sequence[Example], rows: Sequence[JsonObject], field: str | None) -> Method:
    names = {name.lower(): name for row in rows[:100] for name in row}
    field = field or next((names[name] for name in FIELDS if name in names), "time")
    _check_field(rows, field, "time")
    try:
        times = parse_times([row.get(field) for row in rows])
    except AmbiguousDatesError as e:
        what = f"'{e}' in '{field}' may be day/month or month/day, and no row tells which"
        raise ConfigError(what, where="--by time", next_step="write dates as year-month-day") from None
    wrong = [
        example.problem(
            f"'{field}' is not a time: {str(row.get(field))[:40]!r}", "write it as 2026-11-28 or 2026-11-28T09:30"
        )
        for example, row, time in zip(examples, rows, times, strict=True)
        if time is None
    ]
    if wrong:
        raise DataError(wrong)
    return Method("time", field, times=tuple(t for t in times if t is not None))


def _check_field(rows: Sequence[JsonObject], field: str, noun: str) -> None:
    if not any(row.get(field) not in (None, "") for row in rows):
        names = sorted({name for row in rows[:100] for name in row})
        what = f"no row has the field '{field}'"
        raise ConfigError(
            what, where=f"--by {noun}", next_step=f"name it with --field: rows have {', '.join(names[:12])}"
        )
