"""Lines that come back at the top or bottom of pages are headers and footers."""

from __future__ import annotations

from domainkit.corpus.readers.pdf.running_lines import running_keys, without_running_lines


def pages(count: int) -> list[str]:
    body = "\n".join(f"sentence NAME {letter}" for letter in "abcdefgh")
    return [f"Yearbook\n{body.replace('NAME', 'q' * i)}\nPage {i} of {count}" for i in range(1, count + 1)]


def test_headers_and_footers_are_found_whatever_their_numbers() -> None:
    keys = running_keys(pages(5))
    assert keys == {"yearbook", "page # of #"}
    text, removed = without_running_lines(pages(5)[3], keys)
    assert removed == 2
    assert text.split("\n")[0] == "sentence qqqq a"


def test_two_pages_have_no_headers() -> None:
    assert running_keys(pages(2)) == frozenset()


def test_a_line_within_the_page_stays() -> None:
    keys = frozenset({"yearbook"})
    text = "a\nb\nc\nYearbook\nd\ne\nf"
    assert without_running_lines(text, keys) == (text, 0)
