"""Which rows are in another language than most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from domainkit.text.language import Guess, guess_language, is_mostly_latin


def others(texts: Sequence[str]) -> tuple[str, dict[int, Guess]]:
    """The language of most texts, and the position of each text in another one. Both are empty where no language has
    most of the texts that tell."""
    guesses = {i: guess for i, text in enumerate(texts) if (guess := guess_language(text))}
    if not guesses:
        return "", {}
    counts = Counter(guess.name for guess in guesses.values())
    most, count = counts.most_common(1)[0]
    if 2 * count <= len(guesses):
        return "", {}
    return most, {i: guess for i, guess in guesses.items() if guess.name != most}


def mostly_latin(texts: Sequence[str]) -> bool:
    """Whether most letters of the first texts are Latin."""
    return is_mostly_latin("".join(text[:500] for text in texts[:1000]))
