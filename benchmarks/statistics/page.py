"""docs/statistics.md: its tables are written from the results of both files of simulations."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

from benchmarks.markdown import table
from benchmarks.runs import RESULTS
from benchmarks.statistics.columns import JUDGED, TABLES

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
Cell = str | float | None
Rows = list[dict[str, Cell]]


def shown(value: Cell, share: bool) -> str:
    if value is None:
        return "—"
    if isinstance(value, str):
        return value
    return f"{100 * value:.1f}" if share else f"{value:,.2f}".rstrip("0").rstrip(".")


def _between(body: str, marks: re.Match[str]) -> str:
    return f"{marks[1]}{body}\n{marks[2]}"


def filled(page: str, results: Path = RESULTS) -> str:
    """The page with every marked table made from the results."""
    found: dict[str, Rows] = {}
    for name in ("simulations", "judged_simulations", "leakage"):
        path = results / f"{name}.json"
        found |= json.loads(path.read_text(encoding="utf-8"))["tables"] if path.exists() else {}
    measured = {name: JUDGED[name] for name in JUDGED if name in found}
    for name, (columns, shares) in (TABLES | measured).items():
        rows = [[shown(row.get(key), key in shares) for key in columns] for row in found.get(name, [])]
        body = table([head.strip() for head in columns.values()], rows) if rows else "not measured yet"
        pattern = re.compile(rf"(<!-- table:{name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page = pattern.sub(partial(_between, body), page)
    return page
