"""Citations: the share of an answer's quotes that stand, word for word, in the passages it was given.

A quote is text in quotation marks of any script, or a block quote of Markdown, that is long enough to be one: three
words, or eight letters of a script without spaces. Case, spaces, punctuation and the forms of Unicode do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from domainkit.corpus.chunk import document_id
from domainkit.evaluation.answers_on_disk import PassageRow
from domainkit.evaluation.metrics import PassageMetric, Score, metric
from domainkit.evaluation.task import Sample, Task
from domainkit.text.characters import UNSPACED
from domainkit.text.words import contains, fold, words

LEAST_WORDS, LEAST_SIGNS = 3, 8
_PAIRS = ("“”", "„“”", "«»", "»«", "‹›", "「」", "『』", "﹁﹂", "﹃﹄", "｢｣", "〝〞〟", "””", "＂＂", '""')
"""An opening mark, then the marks that close it."""
_BETWEEN = "(?:(?!\n[ \t]*\n)[^{marks}])"
"""What stands between two marks: no mark of the pair, and no empty line."""
_MARKED = "|".join(f"{pair[0]}({_BETWEEN.format(marks=pair)}+)[{pair[1:]}]" for pair in map(re.escape, _PAIRS))
# Single marks are apostrophes too: a quote begins after a space and ends before none of a word's letters.
_SINGLE = f"(?<![^\\s(\\[])['‘]({_BETWEEN.format(marks='‘')}+?)['’](?!\\w)"
_QUOTE = re.compile(f"{_MARKED}|{_SINGLE}")
_BLOCK = re.compile(r"(?:^[ \t]*>[^\n]*(?:\n|\Z))+", re.MULTILINE)
_LEFT_OUT = re.compile(r"\[?(?:…|\.{3,}|⋯)+\]?|\[[^\]]*\]")
"""Words left out of a quote, and words put in by whoever quotes."""
_NAMED = re.compile(r"[\s.,;:。、，]*[\[(（【]([^\])）】\n]{1,200})[\])）】]")
"""A name in brackets behind a quote."""
_SIGNS = re.compile(f"[{UNSPACED}]")


@metric("Citations", ("text",))
def citations(task: Task) -> PassageMetric:
    """The share of quotes that stand in a passage of the prompt; in the very one, where its name follows in brackets.

    None where the answer quotes nothing, or no passage was shown: then nothing can be checked.
    """

    def score(sample: Sample, text: str, passages: Sequence[PassageRow]) -> Score:
        if not passages:
            return Score(None, "no passage was in the prompt")
        found = list(quotes(text))
        if not found:
            return Score(None, "the answer quotes nothing")
        return Score(sum(stands for _, stands in checked_quotes(text, passages)) / len(found))

    return PassageMetric(score)


def checked_quotes(text: str, passages: Sequence[PassageRow]) -> list[tuple[str, bool]]:
    """Each quote of an answer, and whether it stands in the passage that it names, else in any."""
    texts = {p.id: fold(p.text) for p in passages}
    return [(quote, _stands(quote, [texts[p.id] for p in _meant(name, passages)])) for quote, name in quotes(text)]


def quotes(text: str) -> Iterator[tuple[str, str]]:
    """(quote, the name in brackets behind it, or ""), in the order of the text; block quotes first."""
    for block in _BLOCK.finditer(text):
        quote = " ".join(line.strip().lstrip(">").strip() for line in block[0].splitlines())
        if _is_long(quote):
            yield quote, _name_behind(text, block.end())
    rest = _BLOCK.sub("\n\n", text)
    for match in _QUOTE.finditer(rest):
        quote = next(group for group in match.groups() if group is not None)
        if _is_long(quote):
            yield quote, _name_behind(rest, match.end())


def _is_long(quote: str) -> bool:
    found = words(quote)
    signs = sum(bool(_SIGNS.match(word)) for word in found)
    return (len(found) - signs) / LEAST_WORDS + signs / LEAST_SIGNS >= 1


def _name_behind(text: str, end: int) -> str:
    match = _NAMED.match(text, end)
    return match[1] if match else ""


def _meant(name: str, passages: Sequence[PassageRow]) -> Sequence[PassageRow]:
    """The passages that the name means, by id, by their document's id or by title; all where it means none."""
    wanted = fold(name)
    named = [p for p in passages if wanted and wanted in (fold(p.id), fold(document_id(p.id)), fold(p.title))]
    return named or passages


def _stands(quote: str, texts: Sequence[str]) -> bool:
    """Whether some text has all of the quote; of a quote that leaves words out, each part."""
    parts = [part for piece in _LEFT_OUT.split(quote) if (part := fold(piece)) and words(piece)]
    return bool(parts) and any(all(contains(text, part) for part in parts) for text in texts)
