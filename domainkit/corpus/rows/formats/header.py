"""Which record of a table is its header, and what its columns are called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from domainkit.corpus.rows.source import NumberedRow
from domainkit.errors import Problem

Record = tuple[int, list[str]]
"""(line or row from 1, cells)."""
LOOKED_AT = 20
"""The header is one of so many first records that are not empty."""
_NUMBER = re.compile(r"[-+]?[\d.,' ]*\d[%]?|\d{1,4}[-./]\d{1,2}[-./]\d{1,4}.*")


def folded(name: str) -> str:
    """A column's name as layouts spell theirs: "Doc IDs" is doc_ids."""
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def known(cells: Sequence[str], wanted: frozenset[str]) -> int:
    """How many of the cells are names that are looked for."""
    return sum(cell in wanted or folded(cell) in wanted for cell in set(cells) if cell.strip())


def width(cells: Sequence[str]) -> int:
    """Cells up to the last one that is not empty."""
    return max((i for i, cell in enumerate(cells, 1) if cell.strip()), default=0)


def find_header(records: Sequence[Record], wanted: frozenset[str]) -> int | None:
    """The index of the header: the record with two names or more that are looked for (one, of a single column); else
    the first record at least as wide as most, without empty cells or numbers; else the first that is as wide."""
    filled = [i for i, (_, cells) in enumerate(records) if width(cells)][:LOOKED_AT]
    if not filled:
        return None
    named = [i for i in filled if known(records[i][1], wanted) >= min(2, width(records[i][1]))]
    if named:
        return max(named, key=lambda i: (known(records[i][1], wanted), -i))
    widths = Counter(width(cells) for _, cells in records if width(cells))
    usual = widths.most_common(1)[0][0]
    wide = [i for i in filled if width(records[i][1]) >= usual] or filled
    return next((i for i in wide if _is_plain(records[i][1])), wide[0])


def _is_plain(cells: Sequence[str]) -> bool:
    """Whether all cells up to the last one that is not empty are words, as names are."""
    return all(cell.strip() and not _NUMBER.fullmatch(cell.strip()) for cell in cells[: width(cells)])


def column_names(cells: Sequence[str], path: str, line: int, unit: str) -> tuple[tuple[str, ...], list[Problem]]:
    """A name of its own for each column: an empty one is "column 4", a repeated one "name (2)", with a warning."""
    names: list[str] = []
    count: Counter[str] = Counter()
    for number, cell in enumerate(cells, start=1):
        name = " ".join(cell.split()) or f"column {number}"
        count[name] += 1
        names.append(name if count[name] == 1 else f"{name} ({count[name]})")
    repeated = [f"'{name}'" for name, n in count.items() if n > 1]
    if not repeated:
        return tuple(names), []
    what = f"the header has {', '.join(repeated)} more than once: the first keeps the name, the second is 'name (2)'"
    return tuple(names), [Problem(path, line, what, "give each column a name of its own", "warning", unit)]


def above_header(records: Sequence[Record], header: int, path: str, unit: str) -> list[Problem]:
    """A warning with what stands above the header, which is not read."""
    above = [record for record in records[:header] if width(record[1])]
    if not above:
        return []
    text = " / ".join(" ".join(" ".join(cells).split()) for _, cells in above)
    where = f"the header is in {unit or 'line'} {records[header][0]}"
    what = f"{where}; not read above it: {text if len(text) <= 80 else text[:79] + '…'}"
    return [Problem(path, above[0][0], what, "delete it there if that is right", "warning", unit)]


class TableRows:
    """Makes rows of a table's records: the cells by the names of their columns."""

    def __init__(self, columns: tuple[str, ...], path: str, unit: str = "") -> None:
        self.columns = columns
        self.path = path
        self.unit = unit

    def row(self, number: int, cells: Sequence[str]) -> NumberedRow | Problem | None:
        """None for an empty record; a Problem for one with more cells than the header. Missing cells are empty."""
        if len(cells) > len(self.columns):
            used = width(cells)
            if used > len(self.columns):
                what = f"has {used} cells, the header {len(self.columns)}"
                next_step = "put a cell that holds the separator in double quotes, or name the further columns"
                return Problem(self.path, number, what, next_step, unit=self.unit)
        if not width(cells):
            return None
        padded = [*cells, *[""] * (len(self.columns) - len(cells))]
        return number, dict(zip(self.columns, padded, strict=False))
