"""Checks of examples that need all of them: repeats, spellings, lengths. Hashes are kept, not the examples."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from statistics import median

from domainkit.corpus.checks.traits import EXAMPLE_TRAITS, TraitCounts
from domainkit.corpus.chunk import count_words
from domainkit.corpus.rows.solved import PLAIN_ROLES, Solved
from domainkit.corpus.rows.source import RowSource
from domainkit.errors import Problem
from domainkit.text.words import fold

FEW_EXAMPLES = 10
"""Fewer examples than this get a warning."""
LONG_WORDS = 1000
"""A prompt or target of more words than this, and than ten times the median, gets a warning."""
KEPT_TEXTS = 50_000
"""Distinct targets whose text is kept for messages; those of larger files are read again where a message needs them."""
_KEPT_FOLDS = 20_000
"""Targets whose folded form is kept, since labels repeat."""

Again = Callable[[], Iterator[Solved]]
"""Reads the examples from the start."""


class ExampleChecks:
    """Looks at one example after another; `problems` says what is suspicious in all of them."""

    def __init__(self, source: RowSource) -> None:
        self.source = source
        self.traits = TraitCounts(EXAMPLE_TRAITS)
        self.lines = array("q")
        self.prompt_words = array("q")
        self.target_words = array("q")
        self.words = 0
        self.longest = (0, "")
        """Words of the longest conversation, and its place."""
        self.targets: dict[int, int] = {}
        """The first example with each folded target: hash to index."""
        self._target_of = array("q")  # hash of the folded target, for each example
        self._spelling_of = array("q")  # hash of the target, for each example
        self._prompts: dict[int, int] = {}
        self._repeats = array("q")  # pairs of indices: a repeated prompt, and its first example
        self._misspelt: dict[int, tuple[int, int]] = {}
        self._texts: dict[int, str] = {}
        self._folds: dict[str, str] = {}

    def add(self, solved: Solved) -> None:
        """Look at one more example."""
        index = len(self.lines)
        self.lines.append(solved.line)
        self._count_words(solved)
        target = solved.target
        folded, exact = hash(self._fold(target)), hash(target)
        self._target_of.append(folded)
        self._spelling_of.append(exact)
        if exact not in self._texts and len(self._texts) <= KEPT_TEXTS:
            self._texts[exact] = short(target)
        first = self.targets.setdefault(folded, index)
        if exact != self._spelling_of[first]:
            self._misspelt.setdefault(exact, (index, first))
        if solved.roles == PLAIN_ROLES:
            prompt = hash(f"user:{fold(solved.question)}")
        else:
            prompt = hash(
                "\n".join([f"{r}:{fold(c)}" for r, c in zip(solved.roles, solved.contents, strict=True)][:-1])
            )
        earlier = self._prompts.setdefault(prompt, index)
        if earlier != index:
            self._repeats.extend((index, earlier))
        self.traits.add(solved, index)

    @property
    def rows(self) -> int:
        """Examples seen."""
        return len(self.lines)

    def problems(self, again: Again) -> Iterator[Problem]:
        """Everything suspicious. `again` reads the examples once more where a message needs a text that is not kept."""
        yield from self._repeated(again)
        yield from self._spellings(again)
        yield from self._lengths()
        yield from self.traits.problems(self._warning)
        if 0 < self.rows < FEW_EXAMPLES:
            what = f"only {self.rows} well-formed example{'s' if self.rows > 1 else ''}"
            yield self.source.warning(None, what, "add more: fine-tuning needs some dozens; prompting needs none")
        elif self.rows and len(self.targets) == 1:
            what = f"every target is '{next(iter(self._texts.values()))}'"
            next_step = "add rows with other targets: with one target there is nothing to learn"
            yield self.source.warning(None, what, next_step)

    def _count_words(self, solved: Solved) -> None:
        counts = [count_words(content) for content in solved.contents]
        said = counts[-1] if solved.target == solved.contents[-1] else count_words(solved.target)
        words = sum(counts)
        self.prompt_words.append(words - counts[-1])
        self.target_words.append(said)
        self.words += words
        if words > self.longest[0]:
            self.longest = words, self.source.place(solved.line)

    def _fold(self, target: str) -> str:
        folded = self._folds.get(target)
        if folded is None:
            folded = fold(target)
            if len(self._folds) < _KEPT_FOLDS:
                self._folds[target] = folded
        return folded

    def _repeated(self, again: Again) -> Iterator[Problem]:
        """Rows that repeat an earlier one, and inputs with two targets.

        For label tasks each input with two targets is named. A question with a free answer may have several: they are
        counted only.
        """
        labels = 2 * len(self.targets) <= self.rows  # as `targets_repeat` has it
        pairs = [(self._repeats[i], self._repeats[i + 1]) for i in range(0, len(self._repeats), 2)]
        other = [(here, first) for here, first in pairs if self._target_of[here] != self._target_of[first]]
        texts = self._texts_of({i for pair in other for i in pair}, again) if labels else {}
        for here, first in pairs:
            line = self._place(first)
            if self._target_of[here] == self._target_of[first]:
                yield self._warning(here, f"the same row as {line}", "delete one, unless it is to count twice")
            elif labels:
                what = f"the same input as {line} with another target"
                what += f" ('{texts[first]}' there, '{texts[here]}' here)"
                yield self._warning(here, what, "keep the right one")
        if other and not labels:
            rows = f"{len(other)} row{'s' if len(other) > 1 else ''}"
            what = f"{rows} with another target for an earlier input, the first here"
            yield self._warning(other[0][0], what, "right if an input has several good answers; else keep one")

    def _spellings(self, again: Again) -> Iterator[Problem]:
        """Targets that differ in case, spaces or punctuation only: a label task would count them as other labels."""
        texts = self._texts_of({i for pair in self._misspelt.values() for i in pair}, again)
        for here, first in self._misspelt.values():
            what = f"the target '{texts[here]}' is written '{texts[first]}' on {self._place(first)}"
            yield self._warning(here, what, "write it one way")

    def _lengths(self) -> Iterator[Problem]:
        for noun, lengths in (("prompt", self.prompt_words), ("target", self.target_words)):
            usual = median(lengths) if lengths else 0
            limit = max(LONG_WORDS, 10 * usual)
            for index, words in enumerate(lengths):
                if words > limit:
                    what = f"the {noun} has {words} words, the median {usual:g}"
                    yield self._warning(index, what, "it may exceed the base's context: shorten or split it")

    def _texts_of(self, indices: set[int], again: Again) -> dict[int, str]:
        """The targets of some examples, cut short."""
        if all(self._spelling_of[i] in self._texts for i in indices):
            return {i: self._texts[self._spelling_of[i]] for i in indices}
        return {i: short(solved.target) for i, solved in enumerate(again()) if i in indices}

    def _place(self, index: int) -> str:
        return f"{self.source.unit or 'line'} {self.lines[index]}"

    def _warning(self, index: int, what: str, next_step: str) -> Problem:
        return self.source.warning(self.lines[index], what, next_step)


def short(text: str) -> str:
    """A text on one line of at most 40 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 40 else line[:39] + "…"
