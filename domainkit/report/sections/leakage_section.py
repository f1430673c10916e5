"""The section on leakage: which level matched what in which set, and the pairs of texts side by side."""

from __future__ import annotations

from dataclasses import dataclass

from domainkit.results.lookups import shown_question
from domainkit.results.schema import Leak, LeakLevel, LeakPair, Results
from domainkit.verdict.sentences import LEAK_SETS, listed, without_leaks_sentence

LEVELS: dict[LeakLevel, str] = {
    "exact": "word for word, except case, punctuation and space",
    "ngram": "in a run of words fitted to the question’s length",
    "near": "nearly, by the cosine of their characters",
    "answer": "by the answer, which stands in a solved example",
    "embedding": "by meaning (a paraphrase is not a copy: reported, not counted)",
}
PAIRS_SHOWN = 50


@dataclass(frozen=True)
class PairOfTexts:
    """A test question beside the text it was found in."""

    test: str
    question: str
    source: str
    text: str
    similarity: float | None


@dataclass(frozen=True)
class LevelMatches:
    """What one level found in one set."""

    leak: Leak
    set: str
    how: str
    pairs: tuple[PairOfTexts, ...]

    @property
    def more(self) -> int:
        return self.leak.count - len(self.pairs)


def matches(results: Results) -> list[LevelMatches]:
    """The levels that found something, the counted ones first."""
    texts = {item.id: f"{shown_question(item)}\n→ {item.target}" for item in results.items}
    levels = [
        LevelMatches(
            leak,
            LEAK_SETS[leak.against],
            LEVELS[leak.level] + (f" (≥ {leak.threshold:g})" if leak.threshold else ""),
            tuple(_pair(p, texts) for p in leak.pairs[:PAIRS_SHOWN]),
        )
        for leak in results.leaks
        if leak.count
    ]
    return sorted(levels, key=lambda level: not level.leak.counted)


def _pair(pair: LeakPair, texts: dict[str, str]) -> PairOfTexts:
    return PairOfTexts(pair.test, texts.get(pair.test, ""), pair.source, pair.text, pair.similarity)


def unchecked(results: Results) -> list[str]:
    """What could not be checked, and why; once per reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for leak in results.leaks:
        if leak.unchecked:
            reasons.setdefault((leak.level, leak.unchecked), []).append(LEAK_SETS[leak.against])
    return [
        f"The {level} level was not checked against {listed(sets)}: {why}." for (level, why), sets in reasons.items()
    ]


def clean_sentence(results: Results) -> str:
    """Whether the verdict changes without the leaked questions; "" where the file does not say."""
    clean = results.verdict.without_leaks
    return without_leaks_sentence(clean) if clean else ""


def checked_sets(results: Results) -> str:
    """ "the training rows and the retrieved documents"; "" where none was checked."""
    sets = list(dict.fromkeys(LEAK_SETS[leak.against] for leak in results.leaks))
    return listed(sets) if sets else ""
