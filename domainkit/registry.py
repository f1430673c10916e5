"""Table: a name to a "module:attribute", imported on demand.

Each extension point of domainkit is one table, a literal dict of strings: greppable, complete at a glance, and free until used.
Other packages add lines through entry points of the table's group.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from domainkit.errors import ConfigError


def near(name: str, names: Iterable[str]) -> str:
    """The next step for an unknown name: the nearest known one, or all of them."""
    names = sorted(names)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"one of: {', '.join(names)}"


class Table(Mapping[str, str]):
    """`noun` names what a line is ("method", "metric"); `group` the entry-point group other packages may use."""

    def __init__(self, noun: str, lines: Mapping[str, str], *, group: str | None = None) -> None:
        self.noun = noun
        self.group = group
        self._own = dict(lines)

    @cached_property
    def _lines(self) -> dict[str, str]:
        added = {e.name: e.value for e in entry_points(group=self.group)} if self.group else {}
        # Another package cannot replace a line of domainkit.
        return {**self._own, **{name: value for name, value in added.items() if name not in self._own}}

    def __getitem__(self, name: str) -> str:
        try:
            return self._lines[name]
        except KeyError:
            raise ConfigError(f"unknown {self.noun} '{name}'", next_step=near(name, self._lines)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._lines

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def load(self, name: str) -> Any:
        """Import and return what the line names; an unknown name is a ConfigError with the near one."""
        module, _, attribute = self[name].partition(":")
        return getattr(import_module(module), attribute)
