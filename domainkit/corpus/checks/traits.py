"""Traits: something suspicious that many items may have, reported once with their number."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Generic, NamedTuple, TypeVar

from domainkit.corpus.chunk import count_words
from domainkit.corpus.document import Document
from domainkit.corpus.rows.solved import PLAIN_ROLES, Solved
from domainkit.errors import Problem

T = TypeVar("T")
Warning = Callable[[int, str, str], Problem]
"""Makes the warning of an item from its number, what it is and the next step."""

_CONTROL_TOKEN = re.compile(r"<\|[^|<>\s]{1,40}\|>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>|<bos>|<eos>")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Trait(NamedTuple, Generic[T]):
    """Something suspicious that many items may have: one warning with the count, at the first of them."""

    what: str
    """`{s}` is the plural's s."""
    next_step: str
    holds: Callable[[T], bool]


class TraitCounts(Generic[T]):
    """Counts the items that have each trait, one item at a time."""

    def __init__(self, traits: Sequence[Trait[T]]) -> None:
        self._traits = traits
        self._counts = [0] * len(traits)
        self._first = [0] * len(traits)

    def add(self, item: T, index: int) -> None:
        """Look at one more item; `index` is its number."""
        for i, trait in enumerate(self._traits):
            if trait.holds(item):
                self._counts[i] += 1
                if self._counts[i] == 1:
                    self._first[i] = index

    def problems(self, warning: Warning) -> Iterator[Problem]:
        """A warning for each trait that an item has, made by `warning` of the first of them."""
        for trait, count, first in zip(self._traits, self._counts, self._first, strict=True):
            if count:
                text = f"{count} {trait.what.format(s='' if count == 1 else 's')}"
                yield warning(first, f"{text}, the first here" if count > 1 else text, trait.next_step)


def _alternates(solved: Solved) -> bool:
    roles = [role for role in solved.roles if role != "system"]
    return roles[0] == "user" and all(a != b for a, b in pairwise(roles))


def _in_turns(holds: Callable[[str], bool]) -> Callable[[Solved], bool]:
    return lambda solved: not solved.is_clean and any(holds(content) for content in solved.contents)


def _in_document(holds: Callable[[str], bool]) -> Callable[[Document], bool]:
    return lambda document: holds(document.title) or holds(document.text)


TEXT_TRAITS: tuple[Trait[str], ...] = (
    Trait(
        "row{s} with the spelling of a control token, such as <|im_end|>",
        "harmless: data is encoded as plain characters; delete it if it is a leftover of a chat template",
        lambda text: ("<" in text or "[" in text) and _CONTROL_TOKEN.search(text) is not None,
    ),
    Trait(
        "row{s} with the replacement character U+FFFD",
        "letters were lost in a conversion: convert the original again, as UTF-8",
        lambda text: "\ufffd" in text,
    ),
    Trait(
        "row{s} with control characters",
        "delete them: they are leftovers of another format",
        lambda text: _CONTROL_CHARACTER.search(text) is not None,
    ),
)
EXAMPLE_TRAITS: tuple[Trait[Solved], ...] = (
    Trait(
        "target{s} with a space at the start or end",
        "strip them: the model learns the space too",
        lambda solved: solved.target != solved.target.strip(),
    ),
    Trait(
        "answer{s} with the whole question at the start",
        "delete it there: it is learnt twice",
        lambda solved: len(solved.question) > 20 and solved.target.strip().startswith(solved.question.strip()),
    ),
    Trait(
        "row{s} where user and assistant do not alternate",
        "some chat templates refuse them: merge the turns",
        lambda solved: solved.roles != PLAIN_ROLES and not _alternates(solved),
    ),
    *(Trait(t.what, t.next_step, _in_turns(t.holds)) for t in TEXT_TRAITS),
)
DOCUMENT_TRAITS: tuple[Trait[Document], ...] = (
    Trait(
        "document{s} shorter than five words",
        "lengthen or delete: a passage is found by its words",
        lambda document: count_words(document.text) < 5,
    ),
    *(Trait(t.what, t.next_step, _in_document(t.holds)) for t in TEXT_TRAITS),
)
