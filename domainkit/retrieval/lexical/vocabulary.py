"""Tokens to numbers for many texts at once: as `tokenize` reads them, many times as fast.

Arrow splits texts at spaces and numbers the pieces. Python looks at each different piece once: a word of ASCII is its
own token. Pieces with signs or digits are read by `tokenize`, together with those beside them, since there the
neighbours decide ("$ 5", "3 - 5"). Texts where words far apart decide are read by `tokenize` as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from domainkit.retrieval.lexical.tokens import tokenize

REMEMBERED = 1_000_000
"""Pieces whose tokens are kept in memory: some 200 MB."""
A_WORD = "aa"
TOGETHER, EMPTY = -1, -2
"""Instead of a number: a piece that is read with its neighbours, and the empty piece before or behind a text."""

# Letters of ASCII, two or more, with punctuation that only divides: no neighbour changes what is read, and none is
# changed. A single letter may be a variable, or one of a unit.
_PLAIN = re.compile(r"""["'(]*([A-Za-z]{2,}(?:-[A-Za-z]{2,})*)[.,;:!?)"']*""")
# What is read in the light of the whole text: powers, formulas, marks at the starts of lines, and other scripts.
_MARKED = re.compile(r"\^|[^\s$]\$(?!\d)|\n[ \t]*[>+]")
_FOREIGN = re.compile("[^\x00-\x7f\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f“”‘’–—…•«»]")
_FREE_SPACE = re.compile("(?<!\\d)\u00a0|\u00a0(?!\\d)")


@dataclass(frozen=True, slots=True)
class _Replaced:
    """The numbers that stand for the pieces from `start` up to `stop`."""

    start: int
    stop: int
    numbers: Sequence[int]


class Vocabulary(dict[str, int]):
    """Tokens to numbers, from 0 in the order in which they are first read."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: dict[str, int] = {"": EMPTY}
        self._several: list[list[int]] = []
        """The numbers of pieces with several tokens: of -3 - i the i-th."""
        self._runs: dict[str, list[int]] = {}

    def read(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(the numbers of the texts' tokens, one text after the other, int32; how many each text has, int64)."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not texts:
            return np.zeros(0, np.int32), np.zeros(0, np.int64)
        plain = [_plain(text) for text in texts]
        split = pc.utf8_split_whitespace(pa.array((text or "" for text in plain), pa.large_string(), size=len(plain)))
        pieces = split.values.dictionary_encode()
        names, which = pieces.dictionary.to_pylist(), pieces.indices.to_numpy()
        codes = np.array([self._code(name) for name in names], np.int32)[which]
        borders = split.offsets.to_numpy().astype(np.int64)
        changes = [
            _Replaced(start, start + 1, self.number(tokenize(text)))
            for start, text, whole in zip(borders[:-1].tolist(), texts, plain, strict=True)
            if whole is None
        ]
        changes += self._runs_of(codes, borders, lambda i: names[which[i]])
        return _replaced(codes, borders, sorted(changes, key=lambda change: change.start))

    def number(self, tokens: Iterable[str]) -> list[int]:
        return [self.setdefault(token, len(self)) for token in tokens]

    def _code(self, piece: str) -> int:
        code = self._pieces.get(piece)
        if code is not None:
            return code
        plain = _PLAIN.fullmatch(piece)
        if plain is None:
            code = TOGETHER
        else:
            numbers = self.number(plain[1].lower().split("-"))
            code = numbers[0]
            if len(numbers) > 1:
                code = -3 - len(self._several)
                self._several.append(numbers)
        if len(self._pieces) < REMEMBERED:
            self._pieces[piece] = code
        return code

    def _runs_of(self, codes: np.ndarray, borders: np.ndarray, name: Callable[[int], str]) -> Iterator[_Replaced]:
        """The pieces that are read together, those in a row of one text, and those of several tokens. `name` gives a
        piece's text."""
        begins, together = np.zeros(len(codes) + 1, bool), codes == TOGETHER
        begins[borders] = True
        before, after = np.r_[False, together[:-1]], np.r_[together[1:], False]
        starts = np.flatnonzero(together & (~before | begins[:-1]))
        stops = np.flatnonzero(together & (~after | begins[1:])) + 1
        # Whether a sign that begins a text is a token depends on the word behind it.
        first = begins[starts] | ((codes[starts - 1] == EMPTY) & begins[starts - 1])
        extends = first & ~begins[stops] & (codes[np.minimum(stops, len(codes) - 1)] != EMPTY)
        done = set((stops[extends]).tolist())
        # Elsewhere it is one: a word before it says that it does not begin.
        for start, stop, is_first in zip(starts.tolist(), (stops + extends).tolist(), first.tolist(), strict=True):
            text = " ".join(name(i) for i in range(start, stop))
            yield _Replaced(start, stop, self._read_run(text if is_first else f"{A_WORD} {text}", skip=not is_first))
        for i in np.flatnonzero(codes < EMPTY).tolist():
            if i not in done:
                yield _Replaced(i, i + 1, self._several[EMPTY - 1 - int(codes[i])])

    def _read_run(self, text: str, *, skip: bool) -> list[int]:
        """The numbers of the tokens; with `skip` without the first."""
        numbers = self._runs.get(text)
        if numbers is None:
            numbers = self.number(tokenize(text)[skip:])
            if len(self._runs) < REMEMBERED // 4:
                self._runs[text] = numbers
        return numbers


def _plain(text: str) -> str | None:
    """The text, with other spaces as ASCII's where that changes nothing; None where it is read as a whole."""
    if not text.isascii():
        text = _FREE_SPACE.sub(" ", text) if "\u00a0" in text else text
        if _FOREIGN.search(text):
            return None
    # A search for one character is ten times as fast as a regular expression.
    return None if any(mark in text for mark in "^$>+") and _MARKED.search(text) else text


def _replaced(codes: np.ndarray, borders: np.ndarray, changes: Sequence[_Replaced]) -> tuple[np.ndarray, np.ndarray]:
    """`codes` with the changes made, and the length of each text; `changes` are in order and apart."""
    starts = np.array([c.start for c in changes], np.int64)
    sizes = np.array([len(c.numbers) for c in changes], np.int64)
    kept = codes >= 0
    for change in changes:
        kept[change.start : change.stop] = False
    # How many numbers come before each piece: of the pieces that are kept, and of what replaces the others.
    ahead = np.zeros(len(codes) + 1, np.int64)
    np.add.at(ahead, starts + 1, sizes)
    ahead = np.cumsum(ahead)
    ahead[1:] += np.cumsum(kept)
    numbers = np.empty(ahead[-1], np.int32)
    numbers[ahead[:-1][kept]] = codes[kept]
    if changes:
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        flat = np.fromiter((n for c in changes for n in c.numbers), np.int32, int(sizes.sum()))
        numbers[np.repeat(ahead[starts], sizes) + within] = flat
    return numbers, np.diff(ahead[borders])
