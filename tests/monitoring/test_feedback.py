"""Feedback: recorded with its texts because a user sent them, and read by train and prefer as rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.corpus.preferences import read_marked, read_pairs
from domainkit.corpus.read_files import read_examples
from domainkit.errors import ConfigError, DataError, RequestError
from domainkit.monitoring.feedback import FEEDBACK_FILE, record_feedback, take_feedback, write_feedback_rows


def test_corrections_pairs_and_marks_are_rows_that_are_read(tmp_path: Path) -> None:
    record_feedback(tmp_path, "where is my hive?", "on the roof", good=True)
    record_feedback(tmp_path, "how much is honey?", "I sting", good=False, correction="12 crowns", system="Be short.")
    record_feedback(tmp_path, "how much is honey?", "I sting", correction="13 crowns", system="Be short.")
    take_feedback(tmp_path, {"question": "what is wax?", "answer": "wax", "correction": "wax"})
    rows = write_feedback_rows(tmp_path, tmp_path / "rows.jsonl")
    assert rows.corrections is not None
    assert rows.pairs is not None
    assert rows.marked is not None
    assert not rows.notes
    examples = read_examples(rows.corrections[0])
    assert [(e.question, e.target) for e in examples] == [("how much is honey?", "13 crowns"), ("what is wax?", "wax")]
    assert examples[0].turns[0].content == "Be short."
    [pair] = read_pairs(rows.pairs[0])
    assert (pair.chosen.target, pair.rejected.target) == ("13 crowns", "I sting")
    marks = {m.example.target: m.good for m in read_marked(rows.marked[0])}
    assert marks == {"on the roof": True, "I sting": False, "wax": True}


def test_answers_marked_both_ways_are_left_out_and_named(tmp_path: Path) -> None:
    for good in (True, False):
        record_feedback(tmp_path, "q", "a", good=good)
    record_feedback(tmp_path, "q", "b", good=True)
    rows = write_feedback_rows(tmp_path, tmp_path / "rows.jsonl")
    assert (rows.corrections, rows.pairs) == (None, None)
    assert rows.marked == (tmp_path / "rows.marked.jsonl", 1)
    assert rows.notes == (
        "1 answers were marked good and bad, and are left out of the marks.",
        "Every answer is marked good: domainkit prefer needs both kinds.",
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"question": "q", "answer": "a"}, "the feedback says nothing"),
        ({"question": " ", "answer": "a", "good": True}, "names no question"),
        ({"question": "q", "answer": "a", "correction": " "}, "the correction is empty"),
        ({"question": "q", "answer": "a", "good": "yes"}, r"good='yes'"),
        ({"question": "q", "good": True}, "answer="),
        ({"question": "q", "answer": "a", "good": True, "corection": "x"}, "did you mean 'correction'"),
        ([1], "cannot be read"),
    ],
)
def test_what_is_no_feedback_is_refused(tmp_path: Path, body: object, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        take_feedback(tmp_path, body)  # type: ignore[arg-type]
    assert "next: send" in str(caught.value)
    assert not (tmp_path / FEEDBACK_FILE).exists()


def test_no_file_is_replaced_and_damage_is_placed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no feedback"):
        write_feedback_rows(tmp_path, tmp_path / "rows.jsonl")
    record_feedback(tmp_path, "q", "a", correction="b")
    with pytest.raises(ConfigError, match=r"name .*rows\.jsonl"):
        write_feedback_rows(tmp_path, tmp_path / "rows.csv")
    (tmp_path / "rows.jsonl").write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        write_feedback_rows(tmp_path, tmp_path / "rows.jsonl")
    assert (tmp_path / "rows.jsonl").read_text() == "mine"
    with (tmp_path / FEEDBACK_FILE).open("a") as f:
        f.write("{}\n")
    with pytest.raises(DataError, match=r"feedback\.jsonl:2: is no feedback"):
        write_feedback_rows(tmp_path, tmp_path / "other.jsonl")
