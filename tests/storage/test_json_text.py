"""JSON that could not be carried on is refused."""

from __future__ import annotations

import pytest

from domainkit.storage import parse_json


@pytest.mark.parametrize(
    "text,said",
    [
        ("[" * 101 + "]" * 101, "nested more than 100 levels"),
        ("[" * 100_000, "nested more than 100 levels"),
        ('{"a": "\\ud800"}', "half of a surrogate pair"),
        ('{"\\udc00": 1}', "half of a surrogate pair"),
        ('{"a": 1', "delimiter"),
        ("1" * 5000, "has 5,000 digits; at most 300 are read"),
    ],
)
def test_json_that_could_not_be_carried_on_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_json(text)


def test_json_reads_pairs_of_surrogates_and_wide_lists() -> None:
    assert parse_json(b'\xef\xbb\xbf["\\ud83d\\ude00", ' + b"[], " * 200 + b"1]") == ["😀", *[[]] * 200, 1]
