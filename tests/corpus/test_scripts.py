"""Scripts without spaces: all of them are covered, and Latin, Greek, Cyrillic and Korean text is not."""

from __future__ import annotations

import re

import pytest

from domainkit.corpus.chunk import count_words
from domainkit.corpus.scripts import UNSPACED
from domainkit.evaluation.metrics.token_f1 import tokens
from domainkit.retrieval.lexical import tokenize
from domainkit.verdict.text_similarity import words

INSIDE = re.compile(f"[{UNSPACED}]")


@pytest.mark.parametrize("character", "漢々〇ひカｶ𠮷กລមမ")
def test_characters_of_scripts_without_spaces_are_inside(character: str) -> None:
    assert INSIDE.fullmatch(character)


@pytest.mark.parametrize("character", "aßéЖω한 ।5.。、")
def test_other_scripts_and_punctuation_are_outside(character: str) -> None:
    assert not INSIDE.search(character)


def test_every_reader_of_words_takes_thai_apart() -> None:
    assert (count_words("กขค"), tokens("กขค"), words("กขค")) == (3, list("กขค"), list("กขค"))
    assert tokenize("กขค") == ["กข", "ขค"]
