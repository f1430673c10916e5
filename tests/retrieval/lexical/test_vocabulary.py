"""Many texts at once are read as `tokenize` reads each: the laws of the words hold for a large corpus, too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainkit.retrieval.lexical import vocabulary as module
from domainkit.retrieval.lexical.tokens import tokenize
from domainkit.retrieval.lexical.vocabulary import Vocabulary

PIECES = (
    *(
        "word",
        "Word,",
        "(two",
        "co-op",
        "well-known",
        "it's",
        "don’t",
        "it",
        "km",
        "ft",
        "x",
        "y",
        "A-",
        "I",
        "m",
        "U.S.",
    ),
    *("5", "%", "5%", "$", "$5", "US$", "$x$", "y$", "3.5", "1,000", "1\u00a0000", "10\u2009000", "1e-5", "1990-2000"),
    *("+", ">", ">>", "++", "C++", "C#", "-", "–", "—", "*", "/", "&&", "=", "!=", "!x", "!", "?!", "...", "…", ".NET"),
    *(
        "^",
        "²",
        "2",
        "m2",
        "“quote”",
        "«a»",
        "é",
        "e\u0301",
        "İ",
        "½",
        "東京",
        "हिन्दी",
        "😀",
        "€5",
        "_",
        "a@b.co",
        "''",
    ),
)
SPACES = (" ", " ", " ", "\n", "\n\n", "\t", "", "\u00a0", "\x1c")
TEXT = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(SPACES)), max_size=9).map(
    lambda parts: "".join(piece + space for piece, space in parts)
)


def tokens_of(texts: list[str]) -> list[list[str]]:
    vocabulary = Vocabulary()
    numbers, lengths = vocabulary.read(texts)
    names = list(vocabulary)
    return [[names[i] for i in part] for part in np.split(numbers, np.cumsum(lengths)[:-1])]


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(TEXT | st.text(max_size=12), min_size=1, max_size=6))
def test_texts_have_the_tokens_that_tokenize_gives(texts: list[str]) -> None:
    assert tokens_of(texts) == [tokenize(text) for text in texts]


@pytest.mark.parametrize(
    "text",
    [
        "> A quotation of $ 5 or 5 %, and so on",
        "the area of 3 km ^ 2 is large",
        "between 3 - 5 days, 1990-2000 or x - y",
        "a line\n> quoted\n+ listed",
        "some words + more > less",
        "where $x$ is the cost, of US$ 5",
        "In C++ it's e.g. 1\u00a0000 times\u00a0faster",
    ],
)
def test_neighbours_decide_what_a_sign_means(text: str) -> None:
    assert tokens_of([text, text]) == [tokenize(text)] * 2


def test_more_pieces_than_are_remembered_are_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 3)
    texts = ["one two three", "two four-five three 6 % one", "four-five one 6 % $ 7 two"] * 2
    assert tokens_of(texts) == [tokenize(text) for text in texts]


def test_nothing_to_read() -> None:
    numbers, lengths = Vocabulary().read([])
    assert (numbers.tolist(), lengths.tolist()) == ([], [])
    assert tokens_of(["", " "]) == [[], []]
