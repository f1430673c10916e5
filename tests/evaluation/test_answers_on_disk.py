"""Rows survive kills: a finished row is never lost or repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit import Sample
from domainkit.errors import ConfigError
from domainkit.evaluation.answers_on_disk import PassageRow, Row, RowStore, asked, asked_each

SAMPLE = Sample(id="1", input="q", target="t", references=("t",), system="s", doc_ids=("d",))


def row(i: int, key: str = "k", **more: object) -> Row:
    return Row(key=key, variant="v", id=str(i), text=f"answer {i}", **more)  # type: ignore[arg-type]


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "run" / "rows.jsonl"
    shown = (PassageRow(id="d1", title="t", text="line\nbreak \u2028 and more"),)
    with RowStore(path) as store:
        store.append([row(1, passages=shown), row(2)])
    with RowStore(path) as store:
        assert store.finished("k") == {"1": row(1, passages=shown), "2": row(2)}
        assert store.finished("another key") == {}


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_line_cut_off_by_a_kill_is_dropped(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "rows.jsonl"
    with RowStore(path) as store:
        store.append([row(1), row(2)])
    path.write_bytes(path.read_bytes()[:-cut])
    with RowStore(path) as store:
        assert set(store.finished("k")) == {"1"}
        store.append([row(2)])
    with RowStore(path) as store:
        assert set(store.finished("k")) == {"1", "2"}
    assert len(path.read_text().splitlines()) == 2


def test_a_damaged_line_loses_only_its_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with RowStore(path) as store:
        store.append([row(1), row(2)])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"\x00\xff not a row\n" + lines[1])
    with RowStore(path) as store:
        assert set(store.finished("k")) == {"2"}


def test_a_row_with_an_error_is_kept_and_is_not_finished(tmp_path: Path) -> None:
    with RowStore(tmp_path / "rows.jsonl") as store:
        store.append([row(1, error="Timeout: too slow")])
        assert store.finished("k") == {}
        assert store.all_of("k")["1"].error == "Timeout: too slow"


def test_half_a_surrogate_pair_is_kept_as_the_replacement_character(tmp_path: Path) -> None:
    odd = Row(
        key="k", variant="v", id="1", text="a\ud83d b\U0001f600", error="\ud800", passages=(PassageRow(id="\udfff"),)
    )
    assert (odd.text, odd.error, odd.passages[0].id) == ("a\ufffd b\U0001f600", "\ufffd", "\ufffd")
    with RowStore(tmp_path / "rows.jsonl") as store:
        store.append([odd])
    with RowStore(tmp_path / "rows.jsonl") as store:
        assert store.all_of("k") == {"1": odd}


def test_one_run_owns_the_folder(tmp_path: Path) -> None:
    with RowStore(tmp_path / "rows.jsonl"):
        with pytest.raises(ConfigError) as caught, RowStore(tmp_path / "rows.jsonl"):
            pass
        assert "another comparison is writing this folder" in str(caught.value)
        assert "choose another --out" in str(caught.value)


@pytest.mark.parametrize("change", [{"input": "r"}, {"system": None}, {"system": "another"}])
def test_an_edited_question_is_another_question(change: dict[str, object]) -> None:
    assert asked(SAMPLE.model_copy(update=change)) != asked(SAMPLE)


@pytest.mark.parametrize("change", [{"id": "2"}, {"target": "u"}, {"group": "g"}, {"meta": {"n": 1}}, {"doc_ids": ()}])
def test_a_row_that_moves_or_is_judged_otherwise_is_the_same_question(change: dict[str, object]) -> None:
    assert asked(SAMPLE.model_copy(update=change)) == asked(SAMPLE)


def test_gold_documents_are_part_of_what_an_oracle_is_asked() -> None:
    other = SAMPLE.model_copy(update={"doc_ids": ("e",)})
    assert asked(other, gold=True) != asked(SAMPLE, gold=True)


def test_a_question_that_stands_there_twice_is_asked_twice() -> None:
    found = asked_each([SAMPLE.model_copy(update={"id": i}) for i in "abc"])
    assert found == {"a": asked(SAMPLE), "b": f"{asked(SAMPLE)}-2", "c": f"{asked(SAMPLE)}-3"}


def test_rows_of_before_are_counted_until_they_are_asked_again(tmp_path: Path) -> None:
    with RowStore(tmp_path / "rows.jsonl") as store:
        assert store.old_rows == 0
        store.append([row(1), row(2)])
        assert store.old_rows == 2
        store.append([row(1, question=asked(SAMPLE))])
        assert store.old_rows == 0
        assert set(store.finished("k")) == {"1", "2", asked(SAMPLE)}
