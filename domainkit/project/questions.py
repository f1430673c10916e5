"""A question of `domainkit init`, and the answer that is taken where nobody is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """One question, with the answers to choose from."""

    about: str
    """One word, for the line that says which answer was taken."""
    text: str
    options: tuple[tuple[str, str], ...]
    """(answer, what it means); the first is taken where nobody is asked."""
    other: str = ""
    """What may be typed instead of one of them; "" where nothing else is possible."""
    check: Callable[[str], object] = str
    """Raises DomainkitError for a typed answer that is wrong: it is asked again."""

    @property
    def default(self) -> str:
        return self.options[0][0]


Ask = Callable[[Question], str]
