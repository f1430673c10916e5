"""Wins, ties and losses of every variant against every other, question by question."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from domainkit.results.lookups import score_of
from domainkit.results.schema import Results

LEAST = 3
"""Variants from which on a matrix says more than the table against the baseline."""


@dataclass(frozen=True)
class Cell:
    """The row's variant against the column's, over the questions both answered."""

    row: str
    column: str
    wins: int
    ties: int
    losses: int

    @property
    def net(self) -> float:
        """(wins - losses) / questions, in [-1, 1]."""
        return (self.wins - self.losses) / max(self.wins + self.ties + self.losses, 1)

    @property
    def shade(self) -> int:
        """Strength of the cell's colour, 0 to 4; 4 is a net of half the questions or more."""
        return min(4, round(8 * abs(self.net)))

    @property
    def side(self) -> str:
        return "win" if self.net > 0 else "loss" if self.net < 0 else "tie"


def wins_matrix(results: Results) -> list[tuple[str, list[Cell | None]]]:
    """(variant, one cell per column, None on the diagonal); nothing with fewer than three variants or no items."""
    names = [v.name for v in results.variants]
    if len(names) < LEAST or not results.items:
        return []
    metric = results.task.primary_metric
    scores = {name: [score_of(item, name, metric) for item in results.items] for name in names}
    cells: dict[tuple[str, str], Cell] = {}
    for a, b in combinations(names, 2):
        signs = [0, 0, 0]
        for x, y in zip(scores[a], scores[b], strict=True):
            if x is not None and y is not None:
                signs[(x > y + 1e-9) - (x < y - 1e-9)] += 1  # 1 wins, 0 ties, -1 losses
        ties, wins, losses = signs
        cells[a, b], cells[b, a] = Cell(a, b, wins, ties, losses), Cell(b, a, losses, ties, wins)
    return [(row, [cells.get((row, column)) for column in names]) for row in names]
