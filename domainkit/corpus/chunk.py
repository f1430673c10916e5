"""Split long documents into passages: between paragraphs, else between sentences, else between words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from domainkit.corpus.document import Document, Mark
from domainkit.errors import ConfigError
from domainkit.storage import JsonObject
from domainkit.text.characters import SENTENCE_ENDS, SIGN, UNSPACED

CHUNK_WORDS = 160
"""About 220 word pieces of English: within the 256 that all-MiniLM-L6-v2 reads, title included."""

# Where a script has no spaces a character counts as a word: encoders read about one word piece per character there.
_WORD = re.compile(rf"{SIGN}|[^\s{UNSPACED}]+")
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_CLOSING = "\"'”’»)\\]」』）】》〉"
# A full stop of ASCII ends a sentence before a space only: 3.5, e.g. and file names go on.
_SENTENCE = re.compile(
    rf"(?<=[.!?])[{_CLOSING}]*\s+(?=[^\sa-z])|(?<=[{SENTENCE_ENDS}])[{_CLOSING}]*\s*(?=[^\s.!?{SENTENCE_ENDS}{_CLOSING}])"
    r"|\n(?=[ \t]*(?:[-*+•|#>]|\d+[.)]))"
)
# The same for a text in which only ASCII ends sentences. It begins with a character, which `re` finds ten times as fast
# as a place behind one.
_ASCII_SENTENCE = re.compile(
    rf"[.!?\n](?:(?<=\n)(?=[ \t]*(?:[-*+•|#>]|\d+[.)]))|(?<=[.!?])[{_CLOSING}]*\s+(?=[^\sa-z]))"
)
_NOT_WESTERN = re.compile(f"[{UNSPACED}{SENTENCE_ENDS}]")
_HEADING = re.compile(r"\s*#{1,6}[ \t][^\n]*")


class _Piece(NamedTuple):
    """A sentence, or a part of a long one: text[start:end]."""

    start: int
    end: int
    words: int
    starts_paragraph: bool
    page: int | None = None
    top_heading: str = ""
    """The outermost heading above it."""


def chunk(documents: Iterable[Document], size: int = CHUNK_WORDS, overlap: int = 0) -> list[Document]:
    """Passages of at most `size` words. Each repeats the last whole sentences, up to `overlap` words, of the one
    before.

    A document of at most `size` words on one page stays as it is. The passages of a longer one have the ids `id#1`,
    `id#2`, …, the document's title and source, and the document's id in `meta["parent"]`. Every word is kept, in order.
    A passage ends with its page, or with the sentence that runs over it; it ends with its outermost heading's part
    where it is half full by then. `meta["page"]` and `meta["headings"]` are those of its first character.
    Raises ConfigError for a size below 1, or an overlap outside [0, size).
    """
    if size < 1:
        raise ConfigError(f"size={size}: a passage needs at least one word", next_step="size=160 suits most encoders")
    if not 0 <= overlap < size:
        raise ConfigError(f"overlap={overlap} is not between 0 and size={size}", next_step=f"try overlap={size // 8}")
    return [passage for document in documents for passage in _split(document, size, overlap)]


def document_id(passage_id: str) -> str:
    """The id of the document that a passage of `chunk` is part of; another id stays as it is."""
    document, mark, number = passage_id.rpartition("#")
    return document if mark and number.isdecimal() else passage_id


def count_words(text: str) -> int:
    """The words that `chunk` counts: runs without space, and single characters of scripts without spaces."""
    return len(text.split()) if _is_western(text) else sum(1 for _ in _WORD.finditer(text))


def _is_western(text: str) -> bool:
    """Whether words are what stands between spaces, and only ASCII's marks end sentences: this is for speed alone."""
    return text.isascii() or _NOT_WESTERN.search(text) is None


def _split(document: Document, size: int, overlap: int) -> Iterator[Document]:
    text = document.text
    pages = {mark.page for mark in document.marks}
    if len(pages) <= 1 and count_words(text) <= size:
        yield _located(document, 0, document.meta)
        return
    pieces = list(_pieces(document, size))
    ranges = list(_pack(pieces, size, overlap))
    if len(ranges) == 1:
        yield _located(document, 0, document.meta)
        return
    for number, (first, last) in enumerate(ranges, start=1):
        start = pieces[first].start
        passage = text[start : pieces[last - 1].end].strip()
        meta = {**document.meta, "parent": document.id}
        part = document.model_copy(update={"text": passage, "id": f"{document.id}#{number}", "meta": meta})
        yield _located(part, start, part.meta)


def _located(passage: Document, start: int, meta: JsonObject) -> Document:
    """The passage that begins at the document's character `start`: its page and headings in `meta`, its own marks."""
    mark = passage.mark_at(start)
    if not passage.marks:
        return passage if meta is passage.meta else passage.model_copy(update={"meta": meta})
    page = {"page": mark.page} if mark and mark.page is not None else {}
    headings = {"headings": list(mark.headings)} if mark and mark.headings else {}
    end = start + len(passage.text)
    within = [m.model_copy(update={"start": m.start - start}) for m in passage.marks if start < m.start < end]
    marks = ([mark.model_copy(update={"start": 0})] if mark else []) + within
    return passage.model_copy(update={"meta": {**meta, **page, **headings}, "marks": tuple(marks)})


def _pieces(document: Document, size: int) -> Iterator[_Piece]:
    """Sentences in order, those of more than `size` words in parts. Together they hold every word."""
    text, after_heading, western = document.text, False, _is_western(document.text)
    sentence = _ASCII_SENTENCE if western else _SENTENCE
    headings = {mark.start for mark in document.marks if _begins_with_heading(text, mark)}
    for start, end in _between(_PARAGRAPH, text, 0, len(text)):
        starts_paragraph = not after_heading  # a heading stays with the paragraph below it
        after_heading = start in headings or _HEADING.fullmatch(text, start, end) is not None
        for a, b in _between(sentence, text, start, end):
            for first, last, words in _word_ranges(text, a, b, size, western):
                mark = document.mark_at(first) if document.marks else None
                top = mark.headings[0] if mark and mark.headings else ""
                yield _Piece(first, last, words, starts_paragraph, mark.page if mark else None, top)
                starts_paragraph = False


def _word_ranges(text: str, start: int, end: int, size: int, western: bool) -> Iterator[tuple[int, int, int]]:
    """(start, end, words) of each part of text[start:end] that has at most `size` words."""
    words = text[start:end].split() if western else []
    if words and len(words) <= size:
        yield text.index(words[0], start), text.rindex(words[-1], start, end) + len(words[-1]), len(words)
    elif words or not western:
        for part in _parts(list(_WORD.finditer(text, start, end)), size):
            yield part[0].start(), part[-1].end(), len(part)


def _begins_with_heading(text: str, mark: Mark) -> bool:
    """Whether a heading itself stands where the mark begins."""
    return bool(mark.headings) and text.startswith(mark.headings[-1], mark.start)


def _parts(words: list[re.Match[str]], size: int) -> Iterator[list[re.Match[str]]]:
    """At most `size` words each, cut at the last space or punctuation of the second half where there is one: between
    words of a script without spaces."""
    start = 0
    while start < len(words):
        end = start + size
        borders = range(min(end, len(words) - 1), start + size // 2, -1) if end < len(words) else ()
        end = next((i for i in borders if _divides(words[i - 1], words[i])), end)
        yield words[start:end]
        start = end


def _divides(word: re.Match[str], after: re.Match[str]) -> bool:
    return word.end() < after.start() or unicodedata.category(word[0][-1])[0] == "P"


def _between(border: re.Pattern[str], text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    at = start
    for match in border.finditer(text, start, end):
        # Closing quotes belong to the sentence before the border.
        closing = match.end() - len(match[0].lstrip(f".!?{_CLOSING}"))
        yield at, closing
        at = match.end()
    yield at, end


def _pack(pieces: list[_Piece], size: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Ranges (first, last exclusive) of pieces: as many as fit, but ended with the page, and at a paragraph's border
    in the second half."""
    first, done = 0, 0
    while done < len(pieces):
        last, words = first, 0
        while last < len(pieces) and words + pieces[last].words <= size:
            if last > done and _ends_part(pieces, last, words, size):
                break
            words += pieces[last].words
            last += 1
        ended = last < len(pieces) and last > first and _ends_part(pieces, last, words, size)
        if last < len(pieces) and not ended and not pieces[last].starts_paragraph:
            last = _paragraph_border(pieces, first, done, last, words)
        yield first, last
        first, done = (last if ended else _step_back(pieces, first, last, size, overlap)), last


def _ends_part(pieces: list[_Piece], last: int, words: int, size: int) -> bool:
    """Whether a passage ends before the piece `last`: with its page, or, where it is half full, with its outermost
    heading's part."""
    before, piece = pieces[last - 1], pieces[last]
    if piece.page != before.page:
        return True
    return piece.top_heading != before.top_heading and 2 * words >= size


def _paragraph_border(pieces: list[_Piece], first: int, done: int, last: int, words: int) -> int:
    words_before = words
    for border in range(last - 1, max(first, done), -1):
        words_before -= pieces[border].words
        if words_before * 2 < words:
            break
        if pieces[border].starts_paragraph:
            return border
    return last


def _step_back(pieces: list[_Piece], first: int, last: int, size: int, overlap: int) -> int:
    """Where the next range starts: within `overlap` words before `last`, with room for at least one new piece."""
    room = min(overlap, size - pieces[last].words) if last < len(pieces) else 0
    start = last
    while start - 1 > first and pieces[start - 1].words <= room:
        start -= 1
        room -= pieces[start].words
    return start
