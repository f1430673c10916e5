"""How a delimited file is written: its separator, its quotes, its header."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from domainkit.corpus.rows.formats.header import Record, find_header, known, width

SEPARATORS = (",", ";", "\t", "|")
NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
SAMPLE_RECORDS = 100
_SURE = 0.6
"""Share of the sample's records that have the most usual width, from which a separator is believed."""


@dataclass(frozen=True)
class Dialect:
    """How records become cells."""

    separator: str
    quotes: bool = True
    """Double quotes hold cells together; in files without them a quotation mark is a character like others."""
    backslash: bool = False
    r"""Quotes inside a cell are \" instead of two."""

    def options(self) -> dict[str, Any]:
        """The keywords of `csv.reader`, whose types differ."""
        quoting = csv.QUOTE_MINIMAL if self.quotes else csv.QUOTE_NONE
        escape: dict[str, Any] = {"escapechar": "\\", "doublequote": False} if self.backslash else {}
        return {"delimiter": self.separator, "quoting": quoting, "strict": True, **escape}


def find_dialect(lines: Sequence[str], wanted: frozenset[str], given: str | None = None) -> Dialect:
    """The dialect of a file that begins with `lines`. `given`: the separator that the file itself or its name says."""
    separators = (given,) if given else SEPARATORS
    found = [(_score(records, wanted), Dialect(s)) for s in separators if (records := sample(lines, Dialect(s)))]
    score, best = max(found, key=lambda pair: pair[0], default=((0, 0.0, 0), Dialect(given or ",")))
    if not given and score[0] < 2 and score[1] < _SURE:
        best = Dialect(_header_separator(lines))
    return _with_quotes(lines, best)


def sample(lines: Sequence[str], dialect: Dialect) -> list[Record]:
    """The first records that are not empty; those before the first fault where the quotes are wrong."""
    records: list[Record] = []
    reader = csv.reader(iter(lines), **{**dialect.options(), "strict": False})
    try:
        for cells in reader:
            if width(cells):
                records.append((reader.line_num, cells))
            if len(records) == SAMPLE_RECORDS:
                break
    except csv.Error:
        pass
    return records


def _score(records: Sequence[Record], wanted: frozenset[str]) -> tuple[int, float, int]:
    """(names in the header that are looked for, how regular the widths are, the usual width)."""
    header = find_header(records, wanted)
    names = known(records[header][1], wanted) if header is not None else 0
    widths = Counter(len(cells) for _, cells in records[header or 0 :])
    usual, rows = widths.most_common(1)[0]
    if usual == 1:
        return names, 0.0, 1
    after = [cell for _, cells in records for cell in cells[1:]]
    prose = sum(cell.startswith(" ") for cell in after) > 0.8 * len(after)
    as_wide = header is not None and len(records[header][1]) == usual
    return names, rows / len(records) * (0.3 if prose else 1) + (0.1 if as_wide and not prose else 0), usual


def _header_separator(lines: Iterable[str]) -> str:
    """Where no separator makes rows of like width: the one between the words of the first line; else there is one
    column, in which the separator is one that the text does not have."""
    text = list(lines)
    first = next((line for line in text if line.strip()), "")
    cells = {s: [cell.strip() for cell in first.split(s)] for s in SEPARATORS}
    for separator, names in cells.items():
        if len(names) > 1 and len(set(names)) == len(names) and all(0 < len(n.split()) <= 3 for n in names):
            return separator
    return next((s for s in ("\x1f", "\x1e") if not any(s in line for line in text)), ",")


def _with_quotes(lines: Sequence[str], dialect: Dialect) -> Dialect:
    """The way of quoting under which the sample has no fault."""
    separator = dialect.separator
    ways = [dialect, Dialect(separator, backslash=True)]
    if separator == "\t":
        ways.append(Dialect(separator, quotes=False))
    backslashes = any('\\"' in line for line in lines)
    return next((w for w in ways if (backslashes or not w.backslash) and not _has_fault(lines, w)), dialect)


def _has_fault(lines: Sequence[str], dialect: Dialect) -> bool:
    try:
        for _ in csv.reader(iter(lines), **dialect.options()):
            pass
    except csv.Error as e:
        return "unexpected end" not in str(e)  # the sample may end inside a cell
    return False
