"""Classes of characters agree with the Unicode data, and scripts without spaces are all covered."""

from __future__ import annotations

import re
import unicodedata

import pytest

from domainkit.corpus.chunk import count_words
from domainkit.retrieval.lexical.retriever import tokenize
from domainkit.text import characters
from domainkit.text.characters import IGNORABLE, MARKS, QUESTION_MARKS, SENTENCE_ENDS, SIGN, SYMBOLS, UNSPACED
from domainkit.text.words import answer_words, words


def test_no_mark_or_symbol_is_missed() -> None:
    marks, symbols = re.compile(f"[{MARKS}]"), re.compile(f"[{SYMBOLS}]")
    for point in (*range(0x80, 0x33480), *range(0xE0000, 0xE0200)):  # the rest of Unicode is unassigned or private
        character = chr(point)
        category = unicodedata.category(character)
        if category[0] == "M":
            assert (character in IGNORABLE) != bool(marks.match(character)), hex(point)
        elif category in ("Sm", "Sc", "So"):
            assert symbols.match(character), hex(point)
        else:
            assert not marks.match(character), hex(point)


@pytest.mark.parametrize("character", "漢々〇𠮷ひカｶㄅ한ﾡกກမមᦀᨠᬅꦄ𑜀")
def test_letters_of_scripts_without_spaces_are_inside(character: str) -> None:
    assert re.fullmatch(SIGN, character)


@pytest.mark.parametrize("character", "aßéЖω ।5.。、・๏๓฿៕")
def test_other_scripts_digits_and_punctuation_are_outside(character: str) -> None:
    assert not re.match(f"[{UNSPACED}]", character)


@pytest.mark.parametrize("character", "。！？｡।॥؟۔։။៕።፧།‽⁇꓿")
def test_sentences_of_all_scripts_end(character: str) -> None:
    assert re.match(f"[{SENTENCE_ENDS}]", character)


def test_spanish_sentences_do_not_end_where_they_begin() -> None:
    assert not re.search(f"[{SENTENCE_ENDS}{QUESTION_MARKS}]", "¿¡")


def test_the_points_of_arabic_are_reading_aids_and_hamza_is_not() -> None:
    assert {"\u064e", "\u0640", "\u200d"} <= IGNORABLE
    assert not {"\u0654", "\u0301", "\U000e0067"} & IGNORABLE


def test_every_reader_of_words_takes_thai_apart_at_its_letters() -> None:
    assert (count_words("กิขค้"), answer_words("กิขค้"), words("กิขค้")) == (3, ["กิ", "ข", "ค้"], ["กิ", "ข", "ค้"])
    assert tokenize("กิขค้") == ["กิข", "ขค้"]
    assert re.findall(SIGN, "ស្ត្រី") == ["ស្ត្រី"]


def test_a_class_is_what_stands_in_it() -> None:
    assert characters._class([0x2D, 0x5D, 0x61, 0x62, 0x63]) == r"\-\]a-c"
