"""Rows of data: formats, layouts, and the fields that nobody reads.

One file a format, one line each. A format's function takes (file, names of columns that are looked for) and returns a
RowSource. Another package adds a format with an entry point of the group `domainkit.rows`, whose name is the suffix.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from domainkit.registry import Table

if TYPE_CHECKING:
    from domainkit.corpus.rows.source import RowSource

Opener = Callable[[Path, frozenset[str]], "RowSource"]

ROW_FORMATS = Table[Opener](
    "format of rows",
    {
        ".arrow": "domainkit.corpus.rows.formats.arrow:open_arrow",
        ".csv": "domainkit.corpus.rows.formats.delimited:open_csv",
        ".feather": "domainkit.corpus.rows.formats.arrow:open_arrow",
        ".json": "domainkit.corpus.rows.formats.json_file:open_json",
        ".jsonl": "domainkit.corpus.rows.jsonl:open_jsonl",
        ".ndjson": "domainkit.corpus.rows.jsonl:open_jsonl",
        ".ods": "domainkit.corpus.rows.formats.workbook:open_workbook",
        ".parquet": "domainkit.corpus.rows.formats.arrow:open_parquet",
        ".tab": "domainkit.corpus.rows.formats.delimited:open_csv",
        ".tsv": "domainkit.corpus.rows.formats.delimited:open_csv",
        ".xls": "domainkit.corpus.rows.formats.workbook:open_workbook",
        ".xlsm": "domainkit.corpus.rows.formats.workbook:open_workbook",
        ".xlsx": "domainkit.corpus.rows.formats.workbook:open_workbook",
    },
    group="domainkit.rows",
)


def row_formats() -> str:
    """The suffixes of files of rows, for messages and help."""
    return ", ".join(sorted(ROW_FORMATS))
