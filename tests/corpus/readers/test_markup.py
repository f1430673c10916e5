"""HTML becomes parts in reading order; what would take a parser minutes is refused before it is parsed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from domainkit.corpus.readers.marked_text import MarkedText
from domainkit.corpus.readers.markup import MAX_DEPTH, add_markup, count_letters, drop_hidden, parse_markup
from domainkit.errors import DataError

PATH = Path("page.html")


def parts(html: str) -> list[tuple[str, str]]:
    text = MarkedText()
    add_markup(PATH, parse_markup(PATH, html).body, text)
    return [(part.kind, part.text) for part in text.parts]


@pytest.mark.parametrize(
    "html, expected",
    [
        ("a <b>b</b>\n c", [("paragraph", "a b c")]),
        ("<p>a<p>b<br>c", [("paragraph", "a"), ("paragraph", "b\nc")]),
        ("<ol><li>a<li>b</ol>", [("item", "1. a"), ("item", "2. b")]),
        ("<a href=x><div>a</div><div>b</div></a>", [("paragraph", "a"), ("paragraph", "b")]),
        ("<h2>a <i>b</i></h2>c", [("heading", "a b"), ("paragraph", "c")]),
        ("<table><tr><td>a<td>b<tr><td>c<td>d</table>", [("row", "| a | b |"), ("row", "| c | d |")]),
        ("<table><tr><td><p>a</p><p>b</p></table>", [("paragraph", "a"), ("paragraph", "b")]),
        ("<script>x</script><select><option>x</select><textarea>x</textarea>a", [("paragraph", "a")]),
        ("<img src='data:image/png;base64,AAAA'>a", [("paragraph", "a")]),
    ],
)
def test_markup_becomes_parts(html: str, expected: list[tuple[str, str]]) -> None:
    assert parts(html) == expected


def test_what_a_browser_does_not_show_is_dropped_and_counted() -> None:
    tree = parse_markup(
        PATH, '<p hidden>ab</p><p style="font-size:0">cd<i hidden>e</i></p><p hidden=until-found>f</p>g'
    )
    assert drop_hidden(tree) == 5
    assert tree.body is not None
    assert tree.body.text(deep=True) == "fg"
    assert count_letters("a 1 –") == 2


@pytest.mark.parametrize(
    "html",
    ["<div>" * 400, "<div>" * 200_000, "<b><i>" * 100_000, "<ul><li>" * 50_000, "<table><tr><td>" * 30_000],
)
def test_elements_within_elements_are_refused_at_once(html: str) -> None:
    began = time.process_time()
    with pytest.raises(DataError, match=f"page.html: is nested more than {MAX_DEPTH} levels deep"):
        parts(f"{html}a")
    assert time.process_time() - began < 5


def test_a_tag_of_very_many_attributes_is_refused_at_once() -> None:
    began = time.process_time()
    for attributes in (" a{}=1", " a{}"):
        html = "<div" + "".join(attributes.format(i) for i in range(100_000)) + ">a"
        with pytest.raises(DataError, match="has a tag with more than 10,000 attributes"):
            parts(html)
    assert time.process_time() - began < 5


def test_a_long_page_that_is_flat_is_read() -> None:
    html = "<div><p>a<p>b<img src=x><br></div><li>c" * 5_000
    assert len(parts(html)) == 15_000
