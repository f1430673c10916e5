"""A quote stands word for word in the document: typography may differ, words may not."""

from __future__ import annotations

import pytest

from domainkit.synthesis.documents.quotes import find_quote

TEXT = (
    "# Lockers\n\nA locker’s key costs “£4”, paid at the desk – cash only.\n"
    "The **blue** lockers are  for\nswimmers; the of\ufb01ce keeps a spare\u00adkey. A party of ten pays £40."
)


@pytest.mark.parametrize(
    "quote",
    [
        'A locker\'s key costs "£4", paid at the desk - cash only.',
        "A locker’s key costs “£4”, paid at the desk – cash only",
        "The blue lockers are for swimmers;",
        "the office keeps a sparekey",
        "  the\n\noffice   keeps ",
        "“A party of ten pays £40.”",
        "_The *blue* lockers_ are for swimmers",
    ],
)
def test_typography_and_white_space_do_not_matter(quote: str) -> None:
    place = find_quote(quote, TEXT)
    assert place is not None
    assert TEXT[slice(*place)]


@pytest.mark.parametrize(
    "quote",
    [
        "a locker’s key costs “£5”",
        "The blue lockers are for the swimmers",
        "A locker's key ... cash only",
        "key costs £4",
        "party of ten pays £4",
        "lock",
        "ockers are for swimmers",
        "...",
        "",
    ],
)
def test_other_words_and_parts_of_words_are_not_there(quote: str) -> None:
    assert find_quote(quote, TEXT) is None


def test_the_place_is_the_documents_own_words_with_the_full_stop() -> None:
    start, end = find_quote("A party of ten pays £40", TEXT) or (0, 0)
    assert TEXT[start:end] == "A party of ten pays £40."


def test_the_place_in_the_section_is_preferred() -> None:
    text = "It is closed on Monday. Pools: It is closed on Monday."
    assert find_quote("It is closed on Monday.", text, 24, len(text)) == (31, 54)
    assert find_quote("It is closed on Monday.", text, 26, 30) == (0, 23)


def test_scripts_without_spaces_are_found_inside_a_run() -> None:
    text = "予約は前日の午後五時まで無料で変更できます。当日は千円かかります。"
    start, end = find_quote("当日は千円かかります", text) or (0, 0)
    assert text[start:end] == "当日は千円かかります。"
