"""Encodings: mark, declaration, strict UTF-8, guess, in this order; damaged text is never guessed away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.text.encoding import Decoded, decode, encoding_name

GERMAN = "Überweisung für Straße – 5 €\n"
JAPANESE = "カードはどこですか。請求書を見せてください。\n"


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides_and_is_dropped(codec: str) -> None:
    found = decode(GERMAN.encode(codec), declared="windows-1252")
    assert (found.text, found.guessed) == (GERMAN, False)


def test_a_declaration_decides_before_utf8() -> None:
    assert decode("é".encode("cp1252"), "iso-8859-1") == Decoded("é", "windows-1252", guessed=False)
    assert decode("€".encode("cp1252"), "latin-1").text == "€"
    assert decode(JAPANESE.encode("cp932"), "Shift_JIS") == Decoded(JAPANESE, "cp932", guessed=False)
    assert decode("é".encode(), "utf-16").text == "é"  # an ASCII declaration cannot be in UTF-16


@pytest.mark.parametrize("declared", ["nonsense", "idna", "unicode_escape", "base64", "\0", "utf-8"])
def test_a_declaration_that_cannot_be_right_counts_for_nothing(declared: str) -> None:
    assert decode(b"a\\u0041\xe9", declared) == Decoded("a\\u0041é", "windows-1252", guessed=True)


def test_utf8_is_no_guess() -> None:
    assert decode(GERMAN.encode()) == Decoded(GERMAN, "utf-8", guessed=False)
    assert decode(b"") == Decoded("", "utf-8", guessed=False)


@pytest.mark.parametrize(
    "text, codec",
    [
        (GERMAN, "cp1252"),
        ("where is my café card", "cp1252"),
        ("¿Dónde está mi tarjeta?", "cp1252"),
        ("Où est ma carte bancaire ?", "cp1252"),
        ("Missä korttini on? Hävisi äsken", "cp1252"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc_jp"),
        (JAPANESE, "iso2022_jp"),
        ("где моя карта", "cp1251"),
        ("我的卡在哪里，什么时候到", "gb18030"),
        ("내 카드는 어디에 있나요", "cp949"),
        ("أين بطاقتي البنكية من فضلك", "cp1256"),
        ("Gdzie jest moja karta? Zgubiłem ją wczoraj, proszę o nową kartę. Dziękuję, czekam na odpowiedź.", "cp1250"),
        ("a,b\nöl,Straße", "utf-16-le"),
        ("a,b\nöl,Straße", "utf-16-be"),
    ],
)
def test_a_guess_is_right_and_says_that_it_is_one(text: str, codec: str) -> None:
    found = decode(text.encode(codec))
    assert (found.text, found.guessed) == (text, True)


def test_an_accent_at_the_end_of_a_long_file_is_seen() -> None:
    assert decode(b"where is my card?\n" * 100_000 + GERMAN.encode("cp1252")).text.endswith(GERMAN)


@pytest.mark.parametrize("data", [GERMAN.encode() + b"\xff", b"\xff" + GERMAN.encode(), GERMAN.encode() + b"\xe2\x82"])
def test_damaged_utf8_is_an_error_at_its_byte(data: bytes) -> None:
    with pytest.raises(UnicodeDecodeError) as caught:
        decode(data)
    assert caught.value.start in (0, len(GERMAN.encode()))


def test_a_wrong_byte_order_mark_is_an_error() -> None:
    with pytest.raises(UnicodeDecodeError):
        decode(b"\xff\xfea")


def test_nul_bytes_of_binary_data_are_not_taken_for_utf16() -> None:
    assert decode(b"one\n\0").text == "one\n\0"


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\x00\x1b\ufeff")))
def test_every_text_in_utf8_is_read_back(text: str) -> None:
    assert decode(text.encode()) == Decoded(text, "utf-8", guessed=False)


@pytest.mark.parametrize(
    "codec, name",
    [
        ("cp1252", "Windows-1252"),
        ("windows-1252", "Windows-1252"),
        ("cp874", "Windows-874"),
        ("utf-8", "UTF-8"),
        ("utf-16-be", "UTF-16"),
        ("cp932", "Shift JIS"),
        ("iso8859-2", "ISO-8859-2"),
        ("koi8-r", "KOI8-R"),
        ("euc_jp", "EUC-JP"),
        ("gb18030", "GB18030"),
    ],
)
def test_an_encoding_has_one_name(codec: str, name: str) -> None:
    assert encoding_name(codec) == name
    "".encode(codec)


@pytest.mark.parametrize("data", [b"hi\xff\xfe", b"a\xff\xfe", b"ab\xfe\xff", b"no\xff\xfe\xff\xfe"])
def test_marks_of_wide_encodings_at_the_end_say_nothing(data: bytes) -> None:
    assert decode(data).encoding == "windows-1252"
