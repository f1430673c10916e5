"""Parquet, Arrow and Feather files, and data sets of the library `datasets`: rows in batches, the columns typed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from domainkit.corpus.rows.source import NumberedRow, RowSource
from domainkit.corpus.text_files import unreadable
from domainkit.errors import Problem
from domainkit.messages import JsonObject

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

UNIT = "row"
BATCH_ROWS = 5_000
_SAVE_AGAIN = "write the file again; a copy may have been cut off"


def open_parquet(path: Path, wanted: frozenset[str] = frozenset()) -> RowSource:
    """The rows of a Parquet file."""
    from pyarrow.parquet import ParquetFile

    def batches() -> Iterator[pa.RecordBatch]:
        with ParquetFile(path, memory_map=True) as file:
            yield from file.iter_batches(BATCH_ROWS)

    def schema() -> pa.Schema:
        with ParquetFile(path, memory_map=True) as file:
            return file.schema_arrow

    return _open(path, "Parquet", schema, batches)


def open_arrow(path: Path, wanted: frozenset[str] = frozenset()) -> RowSource:
    """The rows of an Arrow file or stream; Feather of version 2 is one."""
    import pyarrow as pa

    def reader(file: pa.MemoryMappedFile) -> pa.RecordBatchFileReader | pa.RecordBatchStreamReader:
        try:
            return pa.ipc.open_file(file)
        except pa.ArrowInvalid:
            file.seek(0)
            return pa.ipc.open_stream(file)

    def batches() -> Iterator[pa.RecordBatch]:
        with pa.memory_map(str(path)) as file:
            found = reader(file)
            whole = isinstance(found, pa.RecordBatchFileReader)
            yield from (found.get_batch(i) for i in range(found.num_record_batches)) if whole else found

    def schema() -> pa.Schema:
        with pa.memory_map(str(path)) as file:
            return reader(file).schema

    return _open(path, "Feather" if path.suffix.lower() == ".feather" else "Arrow", schema, batches)


def _open(
    path: Path, form: str, schema: Callable[[], pa.Schema], batches: Callable[[], Iterable[pa.RecordBatch]]
) -> RowSource:
    import pyarrow as pa

    problem = unreadable(path)
    if problem:
        return RowSource(str(path), form, problems=[problem])
    try:
        found = schema()
    except (pa.ArrowException, OSError) as e:
        what = f"is not a {form} file that can be read: {str(e).splitlines()[0]}"
        return RowSource(str(path), form, problems=[Problem(str(path), None, what, _SAVE_AGAIN)])

    def stream() -> Iterator[NumberedRow | Problem]:
        try:
            yield from _rows(batches(), names)
        except (pa.ArrowException, OSError) as e:
            yield Problem(str(path), None, f"cannot be read to its end: {str(e).splitlines()[0]}", _SAVE_AGAIN)

    names = _class_names(found)
    columns = tuple(name for name in found.names if name != "__index_level_0__")
    return RowSource(str(path), form, (), [], stream, columns, UNIT, typed=True)


def _class_names(schema: pa.Schema) -> dict[str, Sequence[str]]:
    """The names of class labels, which `datasets` writes into the metadata of its files."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    return {name: f["names"] for name, f in features.items() if isinstance(f, dict) and f.get("_type") == "ClassLabel"}


def open_dataset(dataset: datasets.Dataset, where: str, facts: tuple[str, ...] = ()) -> RowSource:
    """The rows of a `datasets.Dataset`, which stay on the disk until they are read."""
    import datasets

    names = {n: f.names for n, f in dataset.features.items() if isinstance(f, datasets.ClassLabel)}

    def stream() -> Iterator[NumberedRow | Problem]:
        yield from _rows(dataset.with_format("arrow").iter(BATCH_ROWS), names)

    columns = tuple(dataset.column_names)
    return RowSource(where, "data set", facts, [], stream, columns, UNIT, typed=True)


def open_saved(path: Path, wanted: frozenset[str] = frozenset()) -> RowSource:
    """The rows of a folder that `save_to_disk` wrote. One with several splits is an error that names their folders."""
    import datasets

    try:
        found = datasets.load_from_disk(str(path))
    except Exception as e:  # damaged folders raise whatever the file's library raises
        what = f"is not a saved data set that can be read: {str(e).splitlines()[0] if str(e) else type(e).__name__}"
        return RowSource(str(path), "data set", problems=[Problem(str(path), None, what, "save it again")])
    if isinstance(found, Mapping) and len(found) == 1:
        return open_dataset(next(iter(found.values())), str(path), (f"the split '{next(iter(found))}'",))
    if isinstance(found, Mapping):
        what = f"holds several splits: {', '.join(found)}"
        problem = Problem(str(path), None, what, f"name the folder of one: {path / next(iter(found), '')}")
        return RowSource(str(path), "data set", problems=[problem])
    return open_dataset(found, str(path), ("saved by datasets",))


def is_saved(path: Path) -> bool:
    """Whether `save_to_disk` of `datasets` wrote the folder."""
    return any((path / name).is_file() for name in ("dataset_info.json", "dataset_dict.json"))


def _rows(
    batches: Iterable[pa.RecordBatch | pa.Table], class_names: Mapping[str, Sequence[str]]
) -> Iterator[NumberedRow]:
    """The rows; a class label is its name, and none where the data set says -1."""
    number = 0
    for batch in batches:
        for row in batch.to_pylist():
            number += 1
            row.pop("__index_level_0__", None)  # an index of pandas without a name
            for column, names in class_names.items():
                label = row.get(column)
                row[column] = names[label] if isinstance(label, int) and 0 <= label < len(names) else None
            yield number, {name: _plain(value) for name, value in row.items()}


def _plain(value: object) -> object:
    """A value as JSON has it. Fields of objects that are null are left out: Arrow gives every object of a column the
    fields of all others."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return None if value != value else value  # pandas writes a missing value as NaN
    if isinstance(value, dict):
        return {name: _plain(v) for name, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() and value.tzinfo is None else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal | timedelta):
        return str(value)
    return value


def numbers_as_text(row: JsonObject, fields: Iterable[str]) -> JsonObject:
    """The row with the numbers of `fields` as text, whole ones without a point: a typed column cannot say that its
    numbers are words."""
    changed = {
        name: f"{value:.15g}" if isinstance(value, float) else str(value)
        for name in fields
        if isinstance(value := row.get(name), int | float) and not isinstance(value, bool)
    }
    return {**row, **changed} if changed else row
