"""--map: what is written names columns, and what an error suggests is the likeliest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domainkit.corpus.read_files import read_examples
from domainkit.corpus.rows.columns import as_map, columns_for, described, likely_columns, parse_columns
from domainkit.errors import ConfigError, DataError


@pytest.mark.parametrize(
    "text, columns",
    [
        ("input=Frage,target=Antwort", {"input": "Frage", "target": "Antwort"}),
        (' input = Frage , target = "Answer, final" ', {"input": "Frage", "target": "Answer, final"}),
        ('input="a ""b""",target=c', {"input": 'a "b"', "target": "c"}),
    ],
)
def test_what_is_written_is_read_and_written_again(text: str, columns: dict[str, str]) -> None:
    assert parse_columns(text) == columns
    assert parse_columns(as_map(columns)) == columns
    assert described(columns).startswith("input is the column '")


@pytest.mark.parametrize("value", ["", "input", "input=", {"input": 3}, []])
def test_what_names_no_columns_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match="names no columns"):
        parse_columns(value)


TEXTS = ["Where is my card?", "How do I pay in euros?", "Who can close my account?", "Is there a fee for it?"] * 3
REPLIES = [f"You will find number {i} of all the answers on our pages." for i in range(12)]
TICKETS = {
    "id": [f"T-{i:04}" for i in range(12)],
    "date": [f"2026-01-{i + 1:02}" for i in range(12)],
    "language": ["en"] * 12,
    "queue": ["cards", "payments", "accounts"] * 4,
    "subject": [f"subject {'abcdefghijkl'[i]}" for i in range(12)],
    "body": [f"{text} Number {i}." for i, text in enumerate(TEXTS)],
    "agent": [f"jane{i}@provider.org" for i in range(12)],
}


@pytest.mark.parametrize(
    "table, likely",
    [
        (TICKETS, ("body", "queue")),
        ({"nr": [str(i) for i in range(12)], "antwort": REPLIES, "klasse": ["x", "y"] * 6}, ("antwort", "klasse")),
        ({"when": TICKETS["date"], "asked": TICKETS["body"], "said": REPLIES}, ("asked", "said")),
        (
            {
                "ticket": TICKETS["id"],
                "wrote": TICKETS["body"],
                "Category": ["x", "y", "z"] * 4,
                "who": list("abcdef") * 2,
            },
            ("wrote", "Category"),
        ),
        (
            {"Kunde": [f"Kunde {i % 5}" for i in range(12)], "Frage": TICKETS["body"], "Antwort": ["Ja", "Nein"] * 6},
            ("Frage", "Antwort"),
        ),
        ({"a": ["1", "2"], "b": ["3", "4"]}, ("a", "b")),
        ({"a": ["", ""], "b": ["x y", ""]}, ("b", "a")),
    ],
)
def test_the_likeliest_columns_are_suggested(table: dict[str, list[str]], likely: tuple[str, str]) -> None:
    rows = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    assert tuple(likely_columns(list(table), rows).values()) == likely


def test_the_suggestion_stands_in_the_error_and_can_be_used(tmp_path: Path) -> None:
    lines = [";".join(TICKETS), *(";".join(values) for values in zip(*TICKETS.values(), strict=True))]
    (tmp_path / "t.csv").write_text("\n".join(lines).replace("body", "the body"), encoding="utf-8")
    with pytest.raises(DataError, match="such as --map 'input=the body,target=queue'"):
        read_examples(tmp_path / "t.csv")
    examples = read_examples(tmp_path / "t.csv", parse_columns("input=the body,target=queue"))
    assert (examples[0].question, examples[0].target) == ("Where is my card? Number 0.", "cards")


def test_columns_of_another_file_are_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    columns = {"input": "Frage", "target": "Antwort"}
    assert columns_for([{"Frage": "a", "Antwort": "b"}], columns) == columns
    assert columns_for([{"input": "a", "target": "b"}], columns) is None
    assert "has none of the columns of --map, and is read in its own layout" in caplog.text
    assert columns_for([{"x": "a"}], columns) == columns
