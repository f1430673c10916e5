"""Leakage for the reader: which level found what in which set, and the pairs of texts side by side."""

from __future__ import annotations

from dataclasses import dataclass

from domainkit.results.schema import Leak, LeakPair, Results

SETS = {"train": "the training rows", "index": "the documents of the index", "dev": "the development questions"}
LEVELS = {
    "exact": "word for word, but for case, punctuation and space",
    "ngram": "in a run of words fitted to the question’s length",
    "near": "nearly, by the cosine of their characters",
    "answer": "by the answer, which stands in a solved example",
    "embedding": "by meaning (a paraphrase is no copy: shown, not counted)",
}
PAIRS_SHOWN = 50


@dataclass(frozen=True)
class Pair:
    """A test question beside what it was found in; `text` is "" in files that kept ids alone."""

    test: str
    question: str
    source: str
    text: str
    similarity: float | None


@dataclass(frozen=True)
class Finding:
    """One level in one set."""

    leak: Leak
    set: str
    how: str
    pairs: tuple[Pair, ...]

    @property
    def more(self) -> int:
        return self.leak.count - len(self.pairs)


def findings(results: Results) -> list[Finding]:
    """The levels that found something, the counted ones first."""
    texts = {item.id: f"{item.input}\n→ {item.target}" for item in results.items}
    found = [
        Finding(
            leak,
            SETS[leak.against],
            LEVELS.get(leak.level, leak.level) + (f" (≥ {leak.threshold:g})" if leak.threshold else ""),
            tuple(_pair(p, texts) for p in leak.pairs[:PAIRS_SHOWN]),
        )
        for leak in results.leaks
        if leak.count
    ]
    return sorted(found, key=lambda f: not f.leak.counted)


def _pair(pair: LeakPair, texts: dict[str, str]) -> Pair:
    return Pair(pair.test, texts.get(pair.test, ""), pair.source, pair.text, pair.similarity)


def unchecked(results: Results) -> list[str]:
    """What could not be looked at, and why; once per reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for leak in results.leaks:
        if leak.unchecked:
            reasons.setdefault((leak.level, leak.unchecked), []).append(SETS[leak.against])
    return [
        f"The {level} level was not checked against {' and '.join(places)}: {why}."
        for (level, why), places in reasons.items()
    ]


def clean_sentence(results: Results) -> str:
    """Whether the verdict changes without the leaked questions, as the verdict says it; "" where nothing leaked."""
    return next((c for c in results.verdict.cautions if c.startswith("Without the leaked questions")), "")


def looked_through(results: Results) -> str:
    """ "the training rows and the documents of the index": the sets that were checked."""
    places = list(dict.fromkeys(SETS[leak.against] for leak in results.leaks))
    return " and ".join([", ".join(places[:-1]), places[-1]] if len(places) > 1 else places)
