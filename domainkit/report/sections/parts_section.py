"""Answers that have parts: for each field, label or argument, how often each variant has it, and has it right."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from domainkit.results.schema import Results
from domainkit.verdict.numbers import percent

SHOWN = 60
"""Parts in the table; those that the targets hold most often."""
TITLES = {"fields": "Fields", "labels": "Labels", "calls": "Calls", "text": "Quotes"}
_PLACE = re.compile(r"\[\+?\d+\]")


@dataclass(frozen=True)
class Counted:
    """One variant's statuses of one part."""

    match: int = 0
    mismatch: int = 0
    omission: int = 0
    invention: int = 0
    empty: int = 0

    @property
    def gold(self) -> int:
        """Values that the targets hold."""
        return self.match + self.mismatch + self.omission

    @property
    def answered(self) -> int:
        return self.match + self.mismatch + self.invention

    @property
    def precision(self) -> float | None:
        return self.match / self.answered if self.answered else None

    @property
    def recall(self) -> float | None:
        return self.match / self.gold if self.gold else None

    @property
    def f1(self) -> float | None:
        whole = self.gold + self.answered
        return 2 * self.match / whole if whole else None

    @property
    def detail(self) -> str:
        """Precision, recall and what went wrong, for those who look closer."""
        wrong = (("wrong", self.mismatch), ("left out", self.omission), ("invented", self.invention))
        listed = ", ".join(f"{count} {word}" for word, count in wrong if count)
        return f"P {percent(self.precision)}, R {percent(self.recall)}{f'; {listed}' if listed else ''}"


@dataclass(frozen=True)
class PartRow:
    """One part of the answers, with a cell for each variant."""

    name: str
    values: int
    """How many targets hold one."""
    cells: tuple[Counted, ...]
    """In the order of the variants."""

    @property
    def best(self) -> float | None:
        """The highest F1, where variants differ."""
        scores = [cell.f1 for cell in self.cells if cell.f1 is not None]
        return max(scores) if len(set(scores)) > 1 else None


def title(results: Results) -> str:
    return TITLES.get(results.task.kind, "Parts of the answers")


def part_rows(results: Results) -> list[PartRow]:
    """A row for each part; none where answers have no parts."""
    counts: dict[str, dict[str, Counter[str]]] = {}
    for item in results.items:
        for variant, answer in item.answers.items():
            for part in answer.parts:
                by_variant = counts.setdefault(_PLACE.sub("[]", part.name), {})
                by_variant.setdefault(variant, Counter())[part.status] += 1
    rows = []
    for name, by_variant in counts.items():
        cells = tuple(Counted(**by_variant.get(v.name, Counter())) for v in results.variants)
        rows.append(PartRow(name, max((cell.gold for cell in cells), default=0), cells))
    kept = sorted(rows, key=lambda row: -row.values)[:SHOWN]
    return [row for row in rows if row in kept]


def left_out(results: Results, shown: int) -> int:
    """Parts that the table does not show."""
    names = {_PLACE.sub("[]", p.name) for item in results.items for a in item.answers.values() for p in a.parts}
    return len(names) - shown


def empty_note(results: Results) -> str:
    """How often a variant rightly said nothing, of the places where nothing was to be said; "" where there are none."""
    told = []
    for variant in results.variants:
        statuses = Counter(
            part.status for item in results.items if (a := item.answers.get(variant.name)) for part in a.parts
        )
        whole = statuses["empty"] + statuses["invention"]
        if statuses["empty"]:
            told.append(f"{variant.name} {percent(statuses['empty'] / whole)}")
    return f"Rightly left empty, % of the fields without a value: {', '.join(told)}." if told else ""
