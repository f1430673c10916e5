"""The models of a comparison of several: what each is, when it was asked, and what held its answers to their form."""

from __future__ import annotations

from typing import Literal

from domainkit.results.answers import Estimate, Record

Held = Literal["structured output", "grammar", "parsed", ""]
"""The provider's structured output, a grammar of our own engine or server, or nothing: the text is read strictly. ""
where any text is an answer."""


class ModelFacts(Record):
    """A model that answered, beside what its provider said of it."""

    name: str
    """As variants have it after their @; "base" is the comparison's own."""
    spec: str
    """What names it: openai:gpt-5-mini, server:URL, a base. Of an object that a program gave, its provider and name."""
    given: bool = False
    """Whether a program gave the object itself: then `spec` does not make it again."""
    local: bool
    """Whether it answered in this process: it is paid in machine time, not in tokens."""
    versions: tuple[str, ...] = ()
    """The versions that its provider reported with the answers, in the order seen; empty where it reports none."""
    asked_from: str = ""
    """Date of the oldest answer (ISO); "" where the answers have none."""
    asked_to: str = ""
    """Of the newest."""
    held: Held = ""
    unreadable: Estimate | None = None
    """Share of its answers that are none of the task's form; None where any text is an answer."""
    failures: int = 0
    """Questions that ended in an error, over all its variants."""


__all__ = ["Held", "ModelFacts"]
