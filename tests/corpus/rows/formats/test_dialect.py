"""A delimited file's separator and quotes are found in its first lines."""

from __future__ import annotations

import pytest

from domainkit.corpus.rows.examples import wanted_names
from domainkit.corpus.rows.formats.dialect import Dialect, find_dialect, sample

WANTED = wanted_names(None)


@pytest.mark.parametrize(
    "text, dialect",
    [
        ("a,b\n1,2\n", Dialect(",")),
        ("a;b\n1,5;2,5\n3,5;4,5\n", Dialect(";")),
        ("question\tanswer\nOne, or two?\tboth, yes\n", Dialect("\t")),
        ("a|b\n1|2\n3|4\n", Dialect("|")),
        ('a,b\n"x \\"y\\", z",w\n', Dialect(",", backslash=True)),
        ('a\tb\n"q" said\tw\n', Dialect("\t", quotes=False)),
    ],
)
def test_the_separator_and_the_quotes(text: str, dialect: Dialect) -> None:
    assert find_dialect(text.splitlines(keepends=True), WANTED) == dialect


def test_prose_in_one_column_is_not_divided() -> None:
    lines = ["text\n", "Hello, world; yes\n", "Second, line\n", "No mark at all\n"]
    dialect = find_dialect(lines, WANTED)
    assert [cells for _, cells in sample(lines, dialect)] == [[line.rstrip("\n")] for line in lines]


def test_what_the_file_says_is_believed() -> None:
    assert find_dialect(["a,b\n", "1,2\n"], WANTED, ";") == Dialect(";")
    assert sample(["a\n", "\n", '"b\n', 'c"\n'], Dialect(",")) == [(1, ["a"]), (4, ["b\nc"])]
