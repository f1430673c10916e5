"""What is in a folder is told apart, and what cannot be used is named with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domainkit.errors import ConfigError
from domainkit.project.look import RowsFile, look, look_at_rows

ROWS = "Question,Answer\nwhere is my order,in the post\nwhen do you open,at nine\n"


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def states(folder: Path) -> dict[str, str]:
    return {f.path: f.state for f in look(folder).rows}


def test_rows_are_told_by_their_columns(tmp_path: Path) -> None:
    file(tmp_path, "solved.csv", ROWS)
    file(tmp_path, "open.csv", "question\nwhere is it\nwhen is it\n")
    file(tmp_path, "blank.csv", "question,answer\nwhere is it,\nwhen is it,\n")
    file(tmp_path, "odd.csv", "a,b\nwhere is my order,late parcel\nwhere is the box,late parcel\n")
    file(tmp_path, "pairs.jsonl", '{"prompt": "q", "chosen": "a", "rejected": "b"}\n')
    expected = {"solved.csv": "solved", "open.csv": "open", "blank.csv": "open", "odd.csv": "unclear"}
    assert states(tmp_path) == {**expected, "pairs.jsonl": "unusable"}


def test_likely_columns_of_unclear_rows_are_named_and_can_be_tried(tmp_path: Path) -> None:
    rows = "".join(f"{i},where is parcel {i} of my order,{('late_parcel', 'pay')[i % 2]}\n" for i in range(8))
    path = file(tmp_path, "odd.csv", f"c1,c2,c3\n{rows}")
    [found] = look(tmp_path).rows
    assert (found.rows, found.likely) == (8, {"input": "c2", "target": "c3"} | {"input": "c2"})
    assert look_at_rows(path, "odd.csv", {"input": "c2", "target": "c3"}).state == "solved"


def test_what_is_no_row_has_its_place(tmp_path: Path) -> None:
    file(tmp_path, "manuals/a.md", "# Returns\n\nWithin 30 days.")
    file(tmp_path, "corpus.jsonl", '{"id": "a", "title": "t", "text": "a document of some words"}\n')
    file(tmp_path, "prices.toml", 'currency = "EUR"\n')
    file(tmp_path, "other.toml", "[tool]\n")
    file(tmp_path, "tools.json", json.dumps([{"name": "find", "parameters": {}}]))
    file(tmp_path, "labels.json", '["a", "b"]')
    file(tmp_path, "README.md", "about")
    file(tmp_path, ".hidden/x.csv", ROWS)
    file(tmp_path, "old/results.json", "{}")
    file(tmp_path, "old/rows.csv", ROWS)
    file(tmp_path, "a.bin", "")
    found = look(tmp_path)
    assert (found.rows, found.documents) == ((), ("corpus.jsonl", "manuals/a.md"))
    assert (found.prices, found.tools) == (("prices.toml",), ("tools.json",))
    assert sorted(name for name, _ in found.left_out) == ["README.md", "a.bin", "old", "other.toml"]


def test_a_faulty_price_table_is_named(tmp_path: Path) -> None:
    file(tmp_path, "prices.toml", "[machine]\ncpu_hour = -1\n")
    assert look(tmp_path).left_out == (
        ("prices.toml", "wrong prices: machine.cpu_hour: input should be greater than or equal to 0"),
    )


@pytest.mark.parametrize(
    ("path", "name", "role"),
    [
        ("train.csv", "", "train"),
        ("answers_train.jsonl", "answers", "train"),
        ("Test-Questions.xlsx", "Questions", "test"),
        ("validation.parquet", "", "dev"),
        ("desk/train/rows.csv", "desk/rows", "train"),
        ("train-00000-of-00001.parquet", "", "train"),
        ("tickets.csv", "tickets", ""),
        ("latest.csv", "latest", ""),
    ],
)
def test_a_name_says_which_part_it_holds(path: str, name: str, role: str) -> None:
    assert RowsFile(path, 1, "solved", "").name_and_role == (name, role)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing: there is no such folder\n  next: make it, and put your files"):
        look(tmp_path / "missing")
    with pytest.raises(ConfigError, match=r"is a file, not a folder\n  next: name the folder that it lies in"):
        look(file(tmp_path, "a.csv", ROWS))
