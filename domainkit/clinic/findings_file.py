"""Findings as a file to be read, marked and given back: JSON Lines, or CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from domainkit.clinic.finding import Finding
from domainkit.corpus.rows.jsonl import raise_errors, scan_rows
from domainkit.errors import ConfigError, DataError, Problem
from domainkit.messages import JsonObject
from domainkit.storage import write_text

FORMATS = (".jsonl", ".csv")
_COLUMNS = tuple(Finding.model_fields)
_YES, _NO = ("true", "yes", "y", "x", "1", "1.0"), ("false", "no", "n", "0", "0.0", "", "none")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula to a spreadsheet."""


def check_name(path: Path) -> None:
    """Raises ConfigError for a file that is neither .jsonl nor .csv."""
    if path.suffix.lower() not in FORMATS:
        what = f"findings are written as {' or '.join(FORMATS)}, not as '{path.suffix}'"
        raise ConfigError(what, where=str(path), next_step="name it findings.jsonl, or findings.csv for a spreadsheet")


def write_findings(findings: Sequence[Finding], path: Path) -> None:
    """One finding a line; in CSV, cells that a spreadsheet would compute begin with an apostrophe."""
    check_name(path)
    if path.suffix.lower() == ".jsonl":
        write_text(path, "".join(f.model_dump_json() + "\n" for f in findings))
        return
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for finding in findings:
        writer.writerow([_cell(value) for value in finding.model_dump(mode="json").values()])
    write_text(path, "\ufeff" + out.getvalue())  # the mark by which Excel knows UTF-8


def read_findings(path: Path) -> list[Finding]:
    """The findings of a file. Raises DataError with every line that is none."""
    check_name(path)
    rows, problems = scan_rows(path) if path.suffix.lower() == ".jsonl" else _scan_csv(path)
    findings = []
    for line, row in rows:
        try:
            findings.append(Finding.model_validate({**row, "accept": _accepted(row.get("accept"))}))
        except ValidationError as e:
            fields = ", ".join(dict.fromkeys(str(x["loc"][0]) for x in e.errors() if x["loc"]))
            problems.append(
                Problem(str(path), line, f"is not a finding: {fields}", "change 'accept', 'action' and 'value' alone")
            )
        except ValueError as e:
            problems.append(Problem(str(path), line, str(e), "write true or false"))
    raise_errors(problems)
    return findings


def _accepted(value: object) -> bool:
    text = str(value).strip().lower()
    if text in _YES or text in _NO:
        return text in _YES
    raise ValueError(f"'accept' is '{str(value)[:40]}'")


def _cell(value: object) -> str:
    text = json.dumps(value) if isinstance(value, bool | float | int) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _scan_csv(path: Path) -> tuple[list[tuple[int, JsonObject]], list[Problem]]:
    """Rows of the CSV that `write_findings` wrote, also after a spreadsheet saved it with semicolons or tabs."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as e:
        step = "check the path; domainkit check DATA --deep --out writes the findings"
        raise DataError([Problem(str(path), None, f"cannot be read: {(e.strerror or str(e)).lower()}", step)]) from e
    except UnicodeDecodeError as e:
        raise DataError([Problem(str(path), None, "cannot be read: it is not UTF-8", "save it as CSV in UTF-8")]) from e
    divider = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=divider)
    if not set(_COLUMNS) <= set(reader.fieldnames or ()):
        missing = [c for c in _COLUMNS if c not in (reader.fieldnames or ())]
        raise DataError([Problem(str(path), 1, f"the columns {', '.join(missing)} are missing", "keep all columns")])
    rows: list[tuple[int, JsonObject]] = []
    for row in reader:
        cells = {name: row[name] or "" for name in _COLUMNS}
        rows.append(
            (
                reader.line_num,
                {k: v[1:] if v[:1] == "'" and v[1:].startswith(_FORMULA) else v for k, v in cells.items()},
            )
        )
    return rows, []
