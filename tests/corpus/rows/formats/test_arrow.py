"""Parquet, Arrow and saved data sets: typed values as text or JSON has them; labels by their names."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domainkit.corpus.rows.formats.arrow import (
    is_saved,
    numbers_as_text,
    open_arrow,
    open_dataset,
    open_parquet,
    open_saved,
)

TABLE = pa.table(
    {
        "input": ["a", None],
        "n": [1.0, float("nan")],
        "day": [dt.datetime(2026, 9, 3), dt.datetime(2026, 9, 3, 7, 30)],
        "price": [Decimal("1.50"), None],
        "turns": [[{"role": "user", "weight": None}], []],
    }
)
ROWS = [
    {"input": "a", "n": 1.0, "day": "2026-09-03", "price": "1.50", "turns": [{"role": "user"}]},
    {"input": None, "n": None, "day": "2026-09-03T07:30:00", "price": None, "turns": []},
]


def test_every_format_of_arrow_gives_the_same_rows(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    for name, writer in (("a.arrow", pa.ipc.new_stream), ("a.feather", pa.ipc.new_file)):
        with writer(str(tmp_path / name), TABLE.schema) as out:
            out.write_table(TABLE)
    for source in (
        open_parquet(tmp_path / "a.parquet"),
        open_arrow(tmp_path / "a.arrow"),
        open_arrow(tmp_path / "a.feather"),
    ):
        assert ([row for _, row in source.all()[0]], source.problems) == (ROWS, [])
        assert source.columns == tuple(TABLE.column_names)
        assert source.typed


def test_a_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    (tmp_path / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-20])
    [problem] = open_parquet(tmp_path / "a.parquet").problems
    assert problem.what.startswith("is not a Parquet file that can be read: ")
    (tmp_path / "b.arrow").write_bytes(b"nothing of the kind")
    [problem] = open_arrow(tmp_path / "b.arrow").problems
    assert problem.what.startswith("is not a Arrow file") or problem.what.startswith("is not an Arrow file")


def test_labels_have_their_names_and_saved_sets_their_splits(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=["no", "yes"]))
    data = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, -1]}, features=features)
    expected = [(1, {"text": "a", "label": "yes"}), (2, {"text": "b", "label": None})]
    assert open_dataset(data, "x").all()[0] == expected
    data.to_parquet(tmp_path / "a.parquet")
    assert open_parquet(tmp_path / "a.parquet").all()[0] == expected
    data.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(train=data, test=data).save_to_disk(tmp_path / "two")
    assert is_saved(tmp_path / "one")
    assert is_saved(tmp_path / "two")
    assert not is_saved(tmp_path)
    assert open_saved(tmp_path / "one").all()[0] == expected
    [problem] = open_saved(tmp_path / "two").problems
    assert problem.what == "holds several splits: train, test"
    assert problem.next_step == f"name the folder of one: {tmp_path / 'two' / 'train'}"


@pytest.mark.parametrize("value, text", [(3, "3"), (3.0, "3"), (0.1 + 0.2, "0.3"), (True, True), ("x", "x")])
def test_numbers_where_text_is_meant(value: object, text: object) -> None:
    assert numbers_as_text({"input": value, "n": 1}, ("input",)) == {"input": text, "n": 1}
