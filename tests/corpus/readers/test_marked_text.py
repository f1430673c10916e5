"""Parts become one text; marks say which page and headings each character is under."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.corpus.document import Document
from domainkit.corpus.readers.marked_text import MarkedText, tidy

FILE = Path("a/guide.pdf")


def made(text: MarkedText, **options: str) -> Document:
    document = text.document(FILE, "guide", **options)
    assert document is not None
    return document


def test_the_heading_above_all_others_is_the_title_and_leaves_the_text() -> None:
    text = MarkedText()
    text.heading("Bees", 1)
    text.add("They fly.")
    text.heading("Food", 2)
    text.heading("Sugar", 3)
    text.add("Two to one.")
    text.heading("Winter", 2)
    document = made(text)
    assert document.title == "Bees"
    assert document.text == "They fly.\n\nFood\n\nSugar\n\nTwo to one.\n\nWinter"
    at = {word: document.mark_at(document.text.index(word)) for word in ("They", "Food", "Two", "Winter")}
    assert {w: m.headings if m else None for w, m in at.items()} == {
        "They": None,
        "Food": ("Food",),
        "Two": ("Food", "Sugar"),
        "Winter": ("Winter",),
    }


def test_of_several_headings_of_the_first_level_none_is_the_title() -> None:
    text = MarkedText()
    text.heading("Soil", 1)
    text.heading("Water", 1)
    assert (made(text).title, made(text).text) == ("", "Soil\n\nWater")
    assert made(text, fallback_title="Yearbook").title == "Yearbook"


def test_a_page_begins_with_its_first_part_and_a_sentence_may_go_on() -> None:
    text = MarkedText()
    text.page = 1
    text.add("The office")
    text.page = 2
    text.add("closes at five.", continues=True)
    document = made(text)
    assert document.text == "The office closes at five."
    assert [(m.start, m.page) for m in document.marks] == [(0, 1), (11, 2)]


def test_rows_and_items_stand_close_together() -> None:
    text = MarkedText()
    text.row(["a", " b\nc ", ""])
    text.row(["", ""])
    text.row(["1", "", "2"])
    text.add("- x", "item")
    text.add("- y", "item")
    assert made(text).text == "| a | b c |\n| 1 |  | 2 |\n\n- x\n- y"


def test_nothing_is_no_document_and_a_lone_title_is_its_text() -> None:
    text = MarkedText()
    assert text.document(FILE, "guide", fallback_title="Bees") is None
    text.heading("Bees", 1)
    assert (made(text).title, made(text).text) == ("Bees", "Bees")


def test_ligatures_and_soft_hyphens_do_not_hide_words() -> None:
    assert tidy("of\ufb01ce co\u00adop\u2011era\u200btion\u00a0x² ①\r\n y") == "office coop-eration x² ①\ny"


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        ("2.3 Parsing. . . . . . . . 4", "2.3 Parsing … 4"),
        ("Name: ............ Date: ______", "Name: … Date: …"),
        ("and so on ... 3.14 a_b", "and so on ... 3.14 a_b"),
    ],
)
def test_rows_of_dots_do_not_fill_passages(text: str, tidied: str) -> None:
    assert tidy(text) == tidied
