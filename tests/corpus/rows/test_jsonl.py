"""JSON Lines from disk: what is read; every malformed line is listed with its number and the next step."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.corpus.read_files import read_rows
from domainkit.errors import DataError


def write(folder: Path, data: bytes | str, name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def faults(path: Path) -> list[str]:
    with pytest.raises(DataError) as caught:
        read_rows(path)
    return [str(p) for p in caught.value.problems]


def test_lines_are_numbered_from_one_and_blank_ones_skipped(tmp_path: Path) -> None:
    path = write(tmp_path, '\ufeff{"a": 1}\r\n\r\n  \n{"a": "Übung\u2028zwei"}')
    assert list(read_rows(path)) == [(1, {"a": 1}), (4, {"a": "Übung\u2028zwei"})]


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    assert list(read_rows(write(tmp_path, ""))) == []


def test_every_malformed_line_is_listed(tmp_path: Path) -> None:
    path = write(tmp_path, b'{"a": 1}\n{"a": 1,}\n[1]\n{"a": "\xe4"}\n{"a": "\0"}\n{"a": 1, "a": 2}\n{"a": NaN}\n"x"\n')
    found = faults(path)
    assert [f.split(":")[1] for f in found] == ["2", "3", "4", "5", "6", "7", "8"]
    assert "not JSON at column 9: " in found[0]
    assert "is a list, not an object" in found[1]
    assert "not UTF-8: byte 0xe4 at position 8 of the line" in found[2]
    assert "NUL byte" in found[3]
    assert "the field 'a' appears twice" in found[4]
    assert "NaN is not a JSON value" in found[5]
    assert "is a string, not an object" in found[6]
    assert all("\n  next: " in f for f in found)


@pytest.mark.parametrize(
    "line, what",
    [
        ('{"a": "\\ud83d"}', "half of a surrogate pair (\\ud83d)"),
        ("[" * 100_000, "nested more than 100 levels deep"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON: "),
        ("12", "is a number, not an object"),
        ("null", "is null, not an object"),
    ],
)
def test_hostile_lines_are_problems_not_crashes(tmp_path: Path, line: str, what: str) -> None:
    [found] = faults(write(tmp_path, line))
    assert what in found


def test_old_mac_line_ends_and_other_encodings_are_read(tmp_path: Path) -> None:
    text = '{"a": "Übung"}\r\r{"a": "Maß – 5 €"}'
    for codec in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"):
        path = write(tmp_path, text.encode(codec))
        assert list(read_rows(path)) == [(1, {"a": "Übung"}), (3, {"a": "Maß – 5 €"})], codec


def test_a_guessed_encoding_is_a_warning_with_its_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read_rows(write(tmp_path, '{"a": "Übung"}'.encode("cp1252")))
    assert (
        "rows.jsonl: is not UTF-8, and does not say what it is: read as Windows-1252, which is a guess" in caplog.text
    )
    assert "save it as UTF-8" in caplog.text


def test_one_json_value_over_many_lines_is_read_as_such(tmp_path: Path) -> None:
    assert list(read_rows(write(tmp_path, json.dumps([{"a": 1}, {"a": 2}], indent=1)))) == [
        (2, {"a": 1}),
        (5, {"a": 2}),
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    rows=st.lists(st.dictionaries(st.text(st.characters(codec="utf-8")), json_values, max_size=4), max_size=5),
    ascii=st.booleans(),
)
def test_what_json_writes_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[dict], ascii: bool) -> None:
    path = tmp_path_factory.mktemp("r") / "rows.jsonl"
    path.write_bytes("\n".join(json.dumps(r, ensure_ascii=ascii) for r in rows).encode())
    assert [row for _, row in read_rows(path)] == rows


@given(data=st.binary(max_size=200))
def test_any_bytes_are_rows_or_a_data_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("b") / "rows.jsonl"
    path.write_bytes(data)
    with suppress(DataError):
        assert all(isinstance(row, dict) for _, row in read_rows(path))
