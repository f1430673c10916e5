"""What is measured of a question and its answer. Afterwards the texts are let go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite

from domainkit.text.words import fold, words

REFUSALS = (
    "i don t know",
    "i do not know",
    "i don t have",
    "i do not have",
    "i cannot",
    "i can t",
    "i m sorry",
    "i am sorry",
    "i m not able",
    "i am not able",
    "i m unable",
    "i am unable",
    "there is no information",
    "not enough information",
)
"""Folded openings of an English answer that refuses; refusals in other languages are not recognised."""
COMMON_WORD = 3
"""Words of the question of this many letters or fewer are not looked for in the passages."""


@dataclass(frozen=True, slots=True)
class Measures:
    """None: the answer has no such value."""

    cell: int | None = None
    """The centroid nearest to the question."""
    nearness: float | None = None
    """Cosine with the nearest of the run's questions."""
    label: str | None = None
    """The label that the answer names; "" where it names none. None where the task has no labels."""
    length: int | None = None
    """Characters of the answer."""
    refused: bool | None = None
    """Whether it is empty or refuses."""
    bare: bool | None = None
    """Whether it came without passages. None where the variant does not retrieve."""
    support: float | None = None
    """Share of the question's words that stand in the passages found for it."""
    confidence: float | None = None
    """Probability of the chosen label, or the geometric mean of the tokens' probabilities."""


def refused(text: str) -> bool:
    """Whether an answer is empty, or begins by refusing."""
    opening = f"{fold(text[:200])} "
    return not text.strip() or opening.startswith(tuple(f"{phrase} " for phrase in REFUSALS))


def support(question: str, passages: Sequence[str]) -> float | None:
    """The share of the question's longer words that stand in a passage; None for a question without any."""
    asked = {word for word in words(question) if len(word) > COMMON_WORD}
    if not asked:
        return None
    found = {word for passage in passages for word in words(passage)}
    return len(asked & found) / len(asked)


def confidence_of(metadata: Mapping[str, object]) -> float | None:
    """From the `response_metadata` of an answer; None where the model reported none."""
    choices = metadata.get("choice_probabilities")
    if isinstance(choices, Mapping) and choices:
        return _share(max((v for v in choices.values() if isinstance(v, int | float)), default=None))
    logprobs = metadata.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    values = [
        t["logprob"] for t in content or () if isinstance(t, Mapping) and isinstance(t.get("logprob"), int | float)
    ]
    return _share(exp(min(0.0, sum(values) / len(values)))) if values else None


def _share(value: float | None) -> float | None:
    return float(value) if value is not None and isfinite(value) and 0 <= value <= 1 else None


def measure(
    question: str,
    text: str,
    passages: Sequence[str] | None,
    confidence: float | None,
    *,
    parse_label: Callable[[str], str | None] | None,
    place: tuple[int, float] | None,
) -> Measures:
    """`passages` is None where the variant does not retrieve; `place` is (cell, nearness)."""
    return Measures(
        cell=None if place is None else place[0],
        nearness=None if place is None else place[1],
        label=None if parse_label is None else parse_label(text) or "",
        length=len(text.strip()),
        refused=refused(text),
        bare=None if passages is None else not passages,
        support=support(question, passages) if passages else None,
        confidence=confidence,
    )
