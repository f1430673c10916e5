"""Rows that a program hands over: a list of dicts, or a `datasets.Dataset`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence

from domainkit.corpus.rows.source import NumberedRow, RowSource
from domainkit.errors import Problem

GIVEN = "the rows given"


def open_given(rows: object, where: str = GIVEN) -> RowSource:
    """The rows of a list of dicts, or of a data set. Anything else is an error that says what can be given."""
    datasets = sys.modules.get("datasets")  # whoever has a Dataset has imported it
    if datasets is not None and isinstance(rows, datasets.Dataset):
        from domainkit.corpus.rows.formats.arrow import open_dataset

        return open_dataset(rows, where)
    if datasets is not None and isinstance(rows, datasets.DatasetDict):
        return _refused(where, f"are several splits: {', '.join(rows)}", f"give one, such as [{next(iter(rows))!r}]")
    if isinstance(rows, Mapping | str | bytes) or not isinstance(rows, Sequence):
        what = f"are of the type {type(rows).__name__}"
        frame = hasattr(rows, "to_dict")
        next_step = 'give frame.to_dict("records")' if frame else "give a path, a list of dicts or a datasets.Dataset"
        return _refused(where, what, next_step)

    def stream() -> Iterator[NumberedRow | Problem]:
        for number, row in enumerate(rows, start=1):
            if isinstance(row, Mapping) and all(isinstance(name, str) for name in row):
                yield number, dict(row)
            else:
                what = f"is of the type {type(row).__name__}, not a dict with names of fields"
                yield Problem(where, number, what, 'give dicts such as {"input": ..., "target": ...}', unit="row")

    return RowSource(where, "list", (), [], stream, unit="row")


def _refused(where: str, what: str, next_step: str) -> RowSource:
    return RowSource(where, "list", problems=[Problem(where, None, what, next_step)])
