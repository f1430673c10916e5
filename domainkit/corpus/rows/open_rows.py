"""Open rows, whatever holds them: a file by its suffix and its first bytes, a folder, the hub, or a list."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from domainkit.corpus.archive import PROTECTED, WITHOUT_PASSWORD, ole_kind
from domainkit.corpus.rows import ROW_FORMATS, row_formats
from domainkit.corpus.rows.formats.hub import PREFIX, open_hub
from domainkit.corpus.rows.formats.in_memory import GIVEN, open_given
from domainkit.corpus.rows.source import RowSource
from domainkit.corpus.text_files import unreadable
from domainkit.errors import Problem
from domainkit.storage import open_plain

if TYPE_CHECKING:
    import datasets

RowsGiven: TypeAlias = "str | Path | Sequence[Mapping[str, Any]] | datasets.Dataset"
"""What holds rows: a path, the name of a data set of the hub, a list of dicts, or a data set."""
_MAGIC = {b"PAR1": ".parquet", b"ARROW1": ".arrow", b"PK\x03\x04": ".xlsx", bytes.fromhex("d0cf11e0a1b11ae1"): ".xls"}
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"(\xb5/\xfd": "zstd"}
_ALSO = {(".arrow", ".feather"), (".xlsx", ".xlsm"), (".xlsx", ".ods")}
"""Formats and suffixes whose files begin alike."""


def open_rows(given: object, wanted: frozenset[str] = frozenset()) -> RowSource:
    """The rows of what a user gives. `wanted`: names of columns, by which a table's header is found."""
    if not isinstance(given, str | os.PathLike):
        return open_given(given)
    if str(given).startswith(PREFIX):
        return open_hub(str(given))
    path = Path(given)
    if _is_folder(path):
        return _open_folder(path, wanted)
    problem = unreadable(path)
    if problem:
        return RowSource(str(path), "file", problems=[problem])
    with open_plain(path) as file:
        head = file.read(8)
    if packed := next((name for magic, name in _PACKED.items() if head.startswith(magic)), None):
        what = f"is packed with {packed}"
        return RowSource(str(path), "file", problems=[Problem(str(path), None, what, "unpack it first")])
    suffix = path.suffix.lower()
    held = next((s for magic, s in _MAGIC.items() if head.startswith(magic)), None)
    if held == ".xls" and (problem := _not_a_workbook(path)):
        return RowSource(str(path), "file", problems=[problem])
    if held in (None, suffix) or (held, suffix) in _ALSO:
        return ROW_FORMATS.load(suffix if suffix in ROW_FORMATS else held or ".jsonl")(path, wanted)
    source = ROW_FORMATS.load(held)(path, wanted)
    if suffix:
        what = f"is named {suffix}, and holds what a {held} file holds: read as that"
        source.problems.append(Problem(str(path), None, what, f"name it {path.stem}{held}", "warning"))
    return source


def _not_a_workbook(path: Path) -> Problem | None:
    """The problem of a file that begins as an .xls does, and is none."""
    kind = ole_kind(path)
    if kind == "encrypted":
        return Problem(str(path), None, PROTECTED, WITHOUT_PASSWORD)
    if kind == "other":
        return Problem(str(path), None, "is a document of Microsoft Office, not a table", "save its rows as .csv")
    return None


def name_of(given: object) -> str:
    """What messages and results call the rows: the path, the hub's name, or "the rows given"."""
    return os.fspath(given) if isinstance(given, str | os.PathLike) else GIVEN


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that is too long, or has a NUL
        return False


def _open_folder(path: Path, wanted: frozenset[str]) -> RowSource:
    from domainkit.corpus.rows.formats.arrow import is_saved, open_saved

    if is_saved(path):
        return open_saved(path, wanted)
    what = "is a folder, not a file of rows"
    next_step = f"name one file in it ({row_formats()}), or a folder that `save_to_disk` of datasets wrote"
    return RowSource(str(path), "folder", problems=[Problem(str(path), None, what, next_step)])
