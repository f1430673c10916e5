"""Table: a name to a "module:attribute", imported on demand.

Each extension point of domainkit is one table, a literal dict of strings: greppable, complete at a glance, and free
until used. Other packages add lines through entry points of the table's group.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Generic

from domainkit.errors import ConfigError

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T = TypeVar("T", default=Any)
else:
    from typing import TypeVar

    T = TypeVar("T")


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The known name that is spelt most like `name`, or None when none is similar."""
    return next(iter(difflib.get_close_matches(name, sorted(names), n=1, cutoff=0.6)), None)


def suggestion(name: str, names: Iterable[str]) -> str:
    """The next step for an unknown name: the nearest known one, or all of them."""
    names = sorted(names)
    similar = nearest(name, names)
    return f"did you mean '{similar}'?" if similar else f"one of: {', '.join(names)}"


class Table(Mapping[str, str], Generic[T]):
    """Names of things of type T. `noun` says what a line is ("method", "metric"), for error messages.

    `group` is the entry point group through which other packages add lines; None for a closed table.
    """

    def __init__(self, noun: str, lines: Mapping[str, str], *, group: str | None = None) -> None:
        self.noun = noun
        self.group = group
        self._builtin = dict(lines)

    @cached_property
    def _lines(self) -> dict[str, str]:
        added = {e.name: e.value for e in entry_points(group=self.group)} if self.group else {}
        # Another package cannot replace a line of domainkit.
        return {**self._builtin, **{name: value for name, value in added.items() if name not in self._builtin}}

    def __getitem__(self, name: str) -> str:
        try:
            return self._lines[name]
        except KeyError:
            raise ConfigError(f"unknown {self.noun} '{name}'", next_step=suggestion(name, self._lines)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._lines

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def load(self, name: str) -> T:
        """Import and return what the line names.

        ConfigError with the nearest name for an unknown one, and for another package's line that cannot be imported.
        """
        module, _, attribute = self[name].partition(":")
        try:
            value: T = getattr(import_module(module), attribute)
        except (ImportError, AttributeError, SyntaxError) as e:
            if name in self._builtin:
                raise
            raise ConfigError(
                f"the {self.noun} '{name}' ({self[name]}) cannot be imported: {type(e).__name__}: {e}",
                where=f"the package {self._package_of(name)}",
                next_step="install a version of it that fits, or uninstall it",
            ) from e
        return value

    def _package_of(self, name: str) -> str:
        """The package that added the line."""
        added = next(e for e in entry_points(group=self.group or "") if e.name == name)
        return added.dist.name if added.dist else added.value
