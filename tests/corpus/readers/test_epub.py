"""EPUB: chapters in the order of reading, none from outside the book."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.corpus.readers.epub import read_epub
from domainkit.corpus.reading import collecting_warnings
from domainkit.errors import DataError

from .conftest import write_epub


def test_chapters_come_in_the_order_of_the_spine(tmp_path: Path) -> None:
    write_epub(tmp_path / "a.epub", "<h1>One</h1><p>First.</p><nav>NAV</nav>\f<h1>Two</h1><p>Second.</p>")
    [document] = read_epub(tmp_path / "a.epub", "a")
    assert (document.title, document.text) == ("The Book", "One\n\nFirst.\n\nTwo\n\nSecond.")
    assert [m.headings for m in document.marks] == [("One",), ("Two",)]


def test_chapters_outside_the_book_are_named_and_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.xhtml").write_text("<p>SECRET</p>")
    package = (
        '<package><manifest><item id="a" href="../../secret.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="b" href="ch%200.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>'
    )
    write_epub(tmp_path / "a.epub", "<p>Inside.</p>", package)
    with collecting_warnings() as warnings:
        [document] = read_epub(tmp_path / "a.epub", "a")
    assert document.text == "Inside."
    assert [p.what for p in warnings] == ["1 chapters are not in the file, such as '../secret.xhtml'"]


def test_a_damaged_book_is_named(tmp_path: Path) -> None:
    write_epub(tmp_path / "a.epub", "<p>x</p>", "<package><spine>")
    with pytest.raises(DataError, match=r"is damaged: OPS/book\.opf"):
        list(read_epub(tmp_path / "a.epub", "a"))
