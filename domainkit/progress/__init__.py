"""One display of progress for all that takes longer than two seconds.

A terminal gets a bar for each part, with the time left. A notebook gets a text that changes in its place. Anything else
gets a line for each part, and one now and then while it lasts. All goes to standard error.

The command line, `compare()` and `train()` open the display; what runs inside reports to it. Without an open display a
report does nothing. `with hidden():` shows nothing, in a program with a display of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from domainkit.progress.display import Display, Nothing
from domainkit.visible import visible

Report = Callable[[str, int, int], None]
"""(name of the part, how much of it is done, how much it is)."""


_display: Display | None = None


@contextmanager
def shown() -> Iterator[None]:
    """Open the display, or join the one that is open."""
    if _display is not None or int(os.environ.get("RANK") or 0) > 0:  # of several processes, the first one shows
        yield
        return
    with _opened(_fitting()):
        yield


@contextmanager
def hidden() -> Iterator[None]:
    """Show nothing, whatever is called inside."""
    with _opened(Nothing()):
        yield


@contextmanager
def _opened(display: Display) -> Iterator[None]:
    global _display
    before, _display = _display, display
    try:
        yield
    finally:
        _display = before
        display.settle()


def report(name: str, done: int, total: int, *, note: str = "", left: float | None = None) -> None:
    """Show that `done` of `total` of the part `name` are done; nothing where no display is open."""
    if _display is not None:
        _display.report(visible(name), done, total, note, left)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """A part without a count; it is shown if it lasts."""
    display, name = _display, visible(name)
    if display is None:
        yield
        return
    display.begin(name)
    try:
        yield
    finally:
        display.end(name)


def say(text: str) -> None:
    """A line on standard error, above the bars."""
    if _display is None:
        print(text, file=sys.stderr, flush=True)
    else:
        _display.say(text)


def settle() -> None:
    """Leave the terminal to other output."""
    if _display is not None:
        _display.settle()


def _fitting() -> Display:
    """The display for where standard error goes."""
    if _in_notebook():
        from domainkit.progress.notebook import Notebook

        return Notebook()
    from rich.console import Console

    from domainkit.progress.bars import Bars
    from domainkit.progress.lines import Lines

    console = Console(stderr=True)
    return Bars(console) if console.is_terminal else Lines()


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and hasattr(shell.get_ipython(), "kernel")
