"""Words: equal where two texts differ in spelling alone, apart where they differ in what they say, in all scripts."""

from __future__ import annotations

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.text.words import answer_words, canonical, contains, fold, words

# Letters, marks, digits and signs of many scripts, and what stands between them.
PIECES = st.sampled_from(
    [
        *("a", "A", "x", "the", "9", "05", "é", "e\u0301", "ß", "İ", "Σ", "ς", "ж", "각", "\u1100\u1161", "한"),
        *("क्षि", "\u093f", "ไก่", "กำ", "ខ្មែរ", "漢", "カﾞ", "ﾞ", "م", "\u064e", "ـ", "ﷺ", "\u200d", "\u200c", "Å"),
        *("٣", "१", "９", "½", "²", "₂", "①", "👍🏽", "👨‍👩‍👧", "°", "′"),
        *(
            "+",
            "-",
            "−",
            "–",
            "—",
            "<",
            ">",
            "=",
            "≤",
            "≠",
            "*",
            "/",
            "⁄",
            "%",
            "٪",
            "$",
            "€",
            "^",
            "#",
            "!",
            "~",
            "&",
            "|",
        ),
        *(".", ",", "'", "’", "“", "”", "…", "。", "।", "؟", "(", ")", ":", "_", " ", "\u00a0", "\u202f", "\n", "\t"),
    ]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=12))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Card, lost?", "card  LOST"),
        ("ＡＢＣ", "abc"),
        ("straße", "STRASSE"),
        ("café", "cafe\u0301"),
        ("“Paris”…", "Paris"),
        ("don’t", "don't"),
        ("東京。", "東京"),
        ("नमस्ते।", "नमस्ते"),
        ("کہاں؟", "کہاں"),
        ("ยา ดี", "ยาดี"),
        ("대한 민국.", "대한민국"),
        ("한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8"),
        ("مـــرحبا", "مرحبا"),
        ("مُحَمَّد", "محمد"),
        ("ﻻ", "لا"),
        ("می\u200cروم", "میروم"),
        ("п’ять", "пʼять"),
        ("İstanbul", "istanbul"),
        ("ｘ＜５", "x < 5"),
        ("x≤5", "x <= 5"),
        ("−5", "-5"),
        ("3–5", "3-5"),
        ("٣٫٥", "3.5"),
        ("۱۲", "12"),
        ("1,000", "1000"),
        ("1\u202f000", "1000"),
        ("1'000", "1000"),
        ("१,००,०००", "100000"),
        (".5", "0.5"),
        ("50 %", "50٪"),
        ("5 €", "€5"),
        ("$5$ or $$x < 6$$", "5 or x < 6"),
        ("US$5-$6, $7", "US$ 5-$6, $7"),
        ("1½", "1 1/2"),
        ("10²", "10^2"),
        ("5℃", "5 °C"),
        ("5㎏", "5kg"),
        ("50 m²", "50 m2"),
        ("9.81 m/s²", "9.81 m/s^2"),
        ("1990 – 2000", "1990-2000"),
        ("> Paris is\n> nice", "Paris is nice"),
        ("❤\ufe0f", "❤"),
        # Chinese
        *(("２０２４年５月", "2024年5月"), ("“退款”", "「退款」"), ("《红楼梦》", "红楼梦"), ("北京 上海", "北京上海")),
        *(
            ("１，２３４元", "1234元"),
            ("约3—5天", "约3～5天"),
            ("约3～5天", "约3-5天"),
            ("Ａ组", "a组"),
            ("￥100", "¥100"),
        ),
        # Japanese: kana of half width, their marks composed or not, wave dash and full-width tilde
        *(("ﾊﾝｶｸ", "ハンカク"), ("ｶﾞｽ", "ガス"), ("カﾞス", "ガス"), ("が", "か\u3099"), ("ﾗｰﾒﾝ", "ラーメン")),
        *(
            ("東京、大阪", "東京・大阪"),
            ("㈱山田", "(株)山田"),
            ("1〜3日", "1～3日"),
            ("1〜3", "1~3"),
            ("はい〜", "はい"),
        ),
        # Thai: without spaces, SARA AM in two ways, SARA AE as two letters
        *(("ไม่มี ครับ", "ไม่มีครับ"), ("น้ำ", "น\u0e49\u0e4d\u0e32"), ("เเละ", "และ"), ("๒๕๖๗", "2567"), ("ก\u200bข", "กข")),
        # Arabic and Persian: stretching, vowel points, both rows of digits, forms of a letter, both keyboards
        *(("مُحَمَّدٌ", "مـحمد"), ("١٬٠٠٠", "1000"), ("۱۲٫۵", "12.5"), ("٥٠٪", "50%"), ("ﷲ", "الله"), ("«نعم»؟", "نعم")),
        *(("أ", "ا\u0654"), ("آ", "ا\u0653"), ("کتاب", "كتاب"), ("یک", "يك"), ("می\u200cروم", "میروم")),
        # Hindi: nukta composed or not, joiners, danda
        *(("क़लम", "क\u093cलम"), ("काग़ज़", "काग\u093cज\u093c"), ("क्\u200dष", "क्ष"), ("₹१००", "₹100"), ("नमस्ते॥", "नमस्ते")),
        # Hebrew and Korean
        *(("שָׁלוֹם", "שלום"), ("환불 처리", "\u1112\u116a\u11ab\u1107\u116e\u11af처리")),
    ],
)
def test_spellings_of_one_text_are_equal(a: str, b: str) -> None:
    assert fold(a) == fold(b)
    assert answer_words(a) == answer_words(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        *(
            ("x<5", "x>5"),
            ("is x < 5?", "is x > 5?"),
            ("x - 5", "x + 5"),
            ("x-5", "x5"),
            ("x = 5", "x != 5"),
            ("a && b", "a || b"),
        ),
        *(
            ("2*3", "2/3"),
            ("m/s", "ms"),
            ("!x", "x"),
            ("-x", "x"),
            ("a -> b", "a b"),
            ("> 5", "< 5"),
            ("+", "-"),
        ),
        *(("C", "C++"), ("C", "C#"), ("C++11", "C11"), (".NET", "net"), ("A+", "A"), ("A-", "A")),
        *(("3.5", "35"), ("3,5", "35"), ("-5", "5"), ("+5", "5"), ("−5", "5"), ("3-5", "35"), ("3:30", "330")),
        *(
            ("1/2", "12"),
            ("½", "12"),
            ("1½", "11/2"),
            ("10²", "102"),
            ("x²", "x2"),
            ("x^2", "x2"),
            ("10₂", "102"),
            ("10⁻⁵", "105"),
            ("1e-5", "1e5"),
        ),
        *(
            ("$5", "€5"),
            ("$5", "5"),
            ("from $5 to $6", "from 5 to 6"),
            ("5%", "5"),
            ("5%", "5‰"),
            ("5°", "5"),
            ("5′", "5″"),
            ("1.000", "1000"),
        ),
        *(
            ("كتاب ٣", "كتاب ٤"),
            ("कि", "की"),
            ("ขาว", "ข่าว"),
            ("café", "cafe"),
            ("👍", "👎"),
            ("👍🏽", "👍"),
            ("🇩🇪", "🇫🇷"),
        ),
        # Letters of one script that are alike
        *(("か", "が"), ("は", "ぱ"), ("ツ", "ッ"), ("土", "士"), ("ー", "一"), ("不是", "是"), ("五", "三")),
        *(
            ("क", "क़"),
            ("बुक", "बूक"),
            ("ใ", "ไ"),
            ("บาท", "บาต"),
            ("٣", "٤"),
            ("على", "علي"),
            ("مدرسة", "مدرسه"),
            ("أ", "ا"),
        ),
        *(("～3日", "3日"), ("3～5日", "35日"), ("환불", "환율")),
    ],
)
def test_texts_that_say_another_thing_are_apart(a: str, b: str) -> None:
    assert fold(a) != fold(b)
    assert answer_words(a) != answer_words(b)
    assert not contains(fold(f"is {a}, then"), fold(f"is {b}, then"))


def test_numbers_are_found_in_a_range_and_a_range_is_one_word_of_an_answer() -> None:
    assert contains(fold("in the years (1990–2000)"), fold("1990"))
    assert not contains(fold("at 1990.5 or 19900"), fold("1990"))
    assert answer_words("£20 - 25") == ["£20-25"]


def test_underscores_divide_words_and_vanish_in_answers() -> None:
    assert fold("card_lost") == fold("Card lost")
    assert answer_words("card_lost") == ["cardlost"]


def test_texts_without_words_are_not_all_alike() -> None:
    assert fold(" ? ") == "?" != fold("…")
    assert answer_words("?") != answer_words("") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The  Denver Broncos!", "denver broncos"),
        ("an apple, a day", "apple day"),
        ("1 in 20,000", "1 in 20000"),
        ("A-the-B", "atheb"),
        ("the U.S., i.e. well-known", "us ie wellknown"),
        ("the", "the"),  # SQuAD leaves nothing of it: an empty answer would be right
        ("a + b", "a + b"),
        ("朝はABC米", "朝 は abc 米"),
    ],
)
def test_answers_have_squads_words(text: str, found: str) -> None:
    assert " ".join(answer_words(text)) == found


def squad(text: str) -> str:
    """evaluate-v1.1.py's normalize_answer."""
    plain = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return " ".join(word for word in plain.split() if word not in ("a", "an", "the"))


@given(
    st.lists(st.sampled_from(["The", "gene", "don't", "U.S.,", "(BRCA1)", "well-known.", "19th;", "42", '"x"', "?"]))
)
def test_plain_english_is_scored_as_squad_does(parts: list[str]) -> None:
    text = " ".join(parts)
    assert " ".join(answer_words(text)) == squad(text) or not squad(text)


@given(TEXTS)
def test_the_forms_of_unicode_are_one_text_and_folding_twice_changes_nothing(text: str) -> None:
    found, answer = fold(text), answer_words(text)
    assert fold(found) == found
    assert canonical(canonical(text)) == canonical(text)
    for form in ("NFC", "NFD"):
        other = unicodedata.normalize(form, text)
        assert (fold(other), answer_words(other)) == (found, answer)
    assert answer_words(f"  {text}\n") == answer


@given(st.text("0123456789", min_size=1, max_size=6), st.text("0123456789", min_size=1, max_size=6), TEXTS)
def test_numbers_are_equal_only_when_their_digits_are(a: str, b: str, rest: str) -> None:
    same = a == b
    assert (fold(f"{rest} {a}") == fold(f"{rest} {b}")) == same
    assert (answer_words(f"x{a}") == answer_words(f"x{b}")) == same


@given(
    st.sampled_from("+-<>=/*"),
    st.sampled_from("+-<>=/*"),
    st.integers(0, 99),
    st.integers(0, 99),
    st.sampled_from(["", " "]),
)
def test_operators_between_numbers_are_never_lost(one: str, other: str, a: int, b: int, space: str) -> None:
    left, right = (f"{a}{space}{sign}{space}{b}" for sign in (one, other))
    assert (fold(left) == fold(right)) == (one == other)
    assert fold(left) != fold(f"{a}{b}") != fold(f"{a} {b}") != fold(left)


@given(st.lists(PIECES, min_size=1, max_size=5).map("".join), st.lists(PIECES, max_size=4).map("".join))
def test_a_text_contains_the_words_between_its_others(part: str, rest: str) -> None:
    if words(part):
        assert contains(f"{fold(rest)} {fold(part)} {fold(rest)}", fold(part))
