"""What `make` made: the rows, what each filter took, the coverage, the cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from domainkit.storage import JsonObject
from domainkit.synthesis.budget import Cost
from domainkit.synthesis.candidate import Dropped
from domainkit.synthesis.config import MakeConfig
from domainkit.synthesis.documents.sides import Side
from domainkit.synthesis.plan import SectionState


@dataclass(frozen=True)
class ModelUse:
    """One model in one role."""

    role: str
    name: str
    cost: Cost
    is_local: bool
    estimated: int
    """Replies for which it reported no tokens: theirs are estimated."""
    failures: tuple[str, ...]
    """Requests without a reply."""
    from_disk: int
    """Replies that an earlier run had paid for."""


@dataclass(frozen=True)
class MadeRows:
    """A finished run of `make`."""

    out: Path
    corpus: str
    config: MakeConfig
    train: tuple[JsonObject, ...]
    test: tuple[JsonObject, ...]
    written: int
    """Rows that the writer wrote, unreadable ones too."""
    surplus: int
    """Rows that passed every filter after their side had enough."""
    dropped: tuple[Dropped, ...]
    sections: tuple[SectionState, ...]
    models: tuple[ModelUse, ...]
    not_done: Mapping[str, str]
    """Filters that did not look, and why."""
    ended_by: str
    """The budget's limit, where that ended the run."""
    currency: str
    default_prices: bool

    @property
    def rows(self) -> tuple[JsonObject, ...]:
        return self.train + self.test

    def file(self, side: Side) -> Path:
        return self.out / f"{side}.jsonl"

    def taken(self) -> dict[str, Counter[str]]:
        """How many each filter took, by kind, in the order of the filters that took any."""
        counts: dict[str, Counter[str]] = {}
        for dropped in self.dropped:
            counts.setdefault(dropped.filter, Counter())[dropped.reason.kind] += 1
        return counts

    def example_of(self, filter_name: str) -> Dropped:
        return next(d for d in self.dropped if d.filter == filter_name)

    def gaps(self) -> Sequence[SectionState]:
        """Sections without a row."""
        return [state for state in self.sections if not state.kept]

    @property
    def cost(self) -> Cost:
        return sum((use.cost for use in self.models), Cost())
