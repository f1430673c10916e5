"""A row written in any layout and any format is read back the same."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domainkit.corpus.read_files import read_examples, ready_rows

Row = dict[str, object]
Writer = Callable[[Path, Sequence[Row]], None]

LAYOUTS: dict[str, Callable[[str, str], Row]] = {
    "input and target": lambda q, a: {"input": q, "target": a},
    "prompt and completion": lambda q, a: {"prompt": q, "completion": a},
    "question and answer": lambda q, a: {"question": q, "answer": a},
    "text and label": lambda q, a: {"text": q, "label": a},
    "Alpaca": lambda q, a: {"instruction": q, "input": "", "output": a},
    "messages": lambda q, a: {"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]},
    "ShareGPT": lambda q, a: {"conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}]},
}


def flat(rows: Sequence[Row]) -> list[Row]:
    """Lists as the JSON text that a table's cell holds."""
    return [{k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in row.items()} for row in rows]


def write_json_lines(path: Path, rows: Sequence[Row]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def write_json(path: Path, rows: Sequence[Row]) -> None:
    path.write_text(json.dumps(list(rows), indent=1), encoding="utf-8")


def write_csv(path: Path, rows: Sequence[Row], separator: str = ",", encoding: str = "utf-8") -> None:
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=separator)
        writer.writeheader()
        writer.writerows(flat(rows))


def write_excel(path: Path, rows: Sequence[Row]) -> None:
    book = openpyxl.Workbook()
    for line in (list(rows[0]), *(list(row.values()) for row in flat(rows))):
        book.active.append(line)
        for cell in book.active[book.active.max_row]:
            cell.data_type = "s"  # openpyxl would take a text that begins with = for a formula
    book.save(path)


def write_parquet(path: Path, rows: Sequence[Row]) -> None:
    pyarrow.parquet.write_table(pa.Table.from_pylist(list(rows)), path)


def write_feather(path: Path, rows: Sequence[Row]) -> None:
    pyarrow.feather.write_feather(pa.Table.from_pylist(list(rows)), path)


FORMATS: dict[str, Writer] = {
    "rows.jsonl": write_json_lines,
    "rows.json": write_json,
    "rows.csv": write_csv,
    "semicolons.csv": lambda path, rows: write_csv(path, rows, ";", "utf-8-sig"),
    "rows.tsv": lambda path, rows: write_csv(path, rows, "\t", "utf-16"),
    "rows.xlsx": write_excel,
    "rows.parquet": write_parquet,
    "rows.feather": write_feather,
}

# Text of any script, with separators, quotes, line ends and leading signs. White space around it is not content.
TEXT = (
    st.text(
        st.one_of(st.sampled_from("abc ,;\t|\"'\n=+-@#é漢ひ"), st.characters(categories=("L", "N", "P", "S"))),
        min_size=1,
        max_size=30,
    )
    .map(str.strip)
    .filter(lambda text: any(c.isalpha() for c in text))
)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=st.lists(st.tuples(TEXT, TEXT), min_size=2, max_size=4))
def test_every_layout_in_every_format(tmp_path: Path, name: str, layout: str, pairs: list[tuple[str, str]]) -> None:
    path = tmp_path / name
    FORMATS[name](path, [LAYOUTS[layout](question, answer) for question, answer in pairs])
    read = [(example.prompt[-1].content, example.target) for example in read_examples(path)]
    assert read == pairs


@pytest.mark.parametrize("name", FORMATS)
def test_ready_rows_need_no_columns(tmp_path: Path, name: str) -> None:
    """Fields of other layouts stand beside those that are mapped; one holds a conversation."""
    asked = json.dumps([{"role": "user", "content": "where?"}])
    others = {"text": "t", "label": "l", "chosen": "c", "rejected": "r", "input": "i", "Group": "g", "Ort": "o"}
    rows: list[Row] = [{**others, "Frage": asked, "Antwort": f"a{i}", "Nr": f"n{i}"} for i in range(3)]
    columns = {"prompt": "Frage", "completion": "Antwort", "id": "Nr"}
    FORMATS[name](tmp_path / name, rows)
    ready = ready_rows(tmp_path / name, columns)
    write_json_lines(tmp_path / "ready.jsonl", ready)
    read = [read_examples(tmp_path / name, columns), read_examples(tmp_path / "ready.jsonl")]
    texts = [[(e.id, [t.content for t in e.turns]) for e in examples] for examples in read]
    assert texts[0] == texts[1]
    assert texts[0][1] == ("n1", ["where?" if name.endswith(("csv", "tsv", "xlsx")) else asked, "a1"])
    assert (ready[1]["group"], ready[1]["Ort"], ready[1]["label (not mapped)"]) == ("g", "o", "l")


def test_ready_rows_have_plain_values(tmp_path: Path) -> None:
    write_parquet(tmp_path / "t.parquet", [{"question": "how many?", "answer": 7}, {"question": "and?", "answer": 8}])
    assert [row["answer"] for row in ready_rows(tmp_path / "t.parquet")] == ["7", "8"]
    write_csv(tmp_path / "t.csv", [{"question": "how many?", "answer": "7", "doc_ids": ["a"], "references": ""}])
    assert ready_rows(tmp_path / "t.csv") == [{"question": "how many?", "answer": "7", "doc_ids": ["a"]}]
    write_json_lines(tmp_path / "t.jsonl", [{"Question": "q", "answer": 7}, {"neither": 1}])
    assert ready_rows(tmp_path / "t.jsonl") == [{"Question": "q", "answer": 7}, {"neither": 1}]
    write_csv(tmp_path / "open.csv", [{"Frage": "why?", "text": "t", "label": "l"}])
    assert ready_rows(tmp_path / "open.csv", {"input": "Frage"})[0]["input"] == "why?"
