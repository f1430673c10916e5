"""What a file holds and nobody reads is named once, with the number of rows."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from domainkit.corpus.preferences import read_pairs
from domainkit.corpus.read_files import read_examples
from domainkit.corpus.rows.examples import scan_examples
from domainkit.errors import DataError
from domainkit.evaluation.read_task import read_task

ASK, REPLY = {"role": "user", "content": "How?"}, {"role": "assistant", "content": "So."}


def write(folder: Path, *rows: Any) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def warnings(*rows: Any, folder: Path) -> list[tuple[int | None, str]]:
    problems = scan_examples(write(folder, *rows))[1]
    assert all(p.severity == "warning" for p in problems), problems
    return [(p.line, p.what) for p in problems]


def test_fields_that_are_not_read_are_named_once_with_their_rows(tmp_path: Path) -> None:
    rows = [
        {"input": "a", "target": "b", "group": "x", "doc_ids": ["d"]},
        {"input": "c", "target": "d", "context": "Ulm", "category": "geo", "empty": None},
        {"input": "e", "target": "f", "context": "Bonn", "category": ""},
        {"messages": [ASK, {**REPLY, "reasoning_content": "hm", "name": "bot"}], "prompt": "another"},
        {"messages": [{**ASK, "name": "Ann", "weight": 1}, REPLY]},
    ]
    named = "'context' (2 rows), 'category' (1 row)"
    [(line, what)] = warnings(*rows[:3], folder=tmp_path)
    assert (line, what) == (2, f"not read: {named}")
    [(line, what)] = warnings(*rows[3:], folder=tmp_path)
    assert line == 1
    for part in ("'name of a message' (2 rows)", "'reasoning_content of a message' (1 row)", "'prompt' (1 row)"):
        assert part in what
    assert "'weight of a message' (1 row)" in what


def test_many_fields_do_not_fill_the_screen(tmp_path: Path) -> None:
    [(_, what)] = warnings({"input": "a", "target": "b", **{f"f{i}": i for i in range(1, 31)}}, folder=tmp_path)
    assert what.endswith("'f20' (1 row) and 10 more fields")


def test_earlier_turns_of_the_assistant_that_no_row_learns_are_told(tmp_path: Path) -> None:
    chat = [ASK, REPLY, {"role": "user", "content": "And?"}, {"role": "assistant", "content": "Then."}]
    told = (1, "1 row with earlier turns of the assistant: unless turns=all, only a row's last is learnt")
    assert warnings({"messages": chat}, folder=tmp_path) == [told]
    assert warnings({"messages": chat}, {"messages": chat[:2]}, folder=tmp_path) == []
    assert warnings({"messages": [ASK, {**REPLY, "weight": 0}, *chat[2:]]}, folder=tmp_path) == []
    assert warnings({"messages": [ASK, {**REPLY, "weight": 1}, *chat[2:]]}, folder=tmp_path) == [told]
    assert warnings({"prompt": chat[:3], "completion": "Then."}, folder=tmp_path) == [told]


@pytest.mark.parametrize(
    ("row", "what", "next_step"),
    [
        (
            {"messages": [ASK, {**REPLY, "weight": 0}]},
            "messages[1] has the weight 0, and it is the last turn, the one to be learnt",
            "end the row with a turn that is to be learnt",
        ),
        ({"messages": [ASK, {**REPLY, "weight": 0.5}]}, "messages[1].weight is 0.5, not 0 or 1", "write 1 for a turn"),
        ({"prompt": "q", "completion": [{**REPLY, "weight": 0}]}, "completion[0] has the weight 0", "end the row"),
        ({"prompt": "q", "chosen": "a", "rejected": "b"}, "is a pair of answers", "`domainkit prefer`"),
        ({"prompt": "q", "completion": "a", "label": False}, "is an answer marked as bad", "`domainkit prefer`"),
        (
            {"question": "q", "context": "c", "expected": "a"},
            "missing fields 'input' and 'target' (found: 'question', 'context', 'expected')",
            "rename 'expected' to 'target'; no other field is read: put the text of 'context' into 'input' too",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}, {"type": "text", "text": "a"}]}, REPLY]},
            "'messages[0].content' holds image_url, text",
            "only text is learnt",
        ),
    ],
)
def test_nothing_is_lost_by_following_a_refusal(tmp_path: Path, row: Any, what: str, next_step: str) -> None:
    with pytest.raises(DataError) as caught:
        read_examples(write(tmp_path, row))
    [problem] = caught.value.problems
    assert what in problem.what
    assert next_step in (problem.next_step or "")


def test_parts_of_text_are_one_text(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "Ho"}, {"type": "text", "text": "w?"}]
    [example] = read_examples(write(tmp_path, {"messages": [{"role": "user", "content": parts}, REPLY]}))
    assert example.question == "How?"


def test_training_and_comparing_tell_what_they_do_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"input": f"q{i}", "target": "a", "context": "c"} for i in range(3)]
    for read in (read_examples, read_task):
        with caplog.at_level(logging.WARNING):
            read(write(tmp_path, *rows))
        assert [r.getMessage().count("'context' (3 rows)") for r in caplog.records] == [1], read
        caplog.clear()
    with caplog.at_level(logging.WARNING):
        read_pairs(write(tmp_path, {"prompt": "q", "chosen": "a", "rejected": "b", "score_chosen": 0.9}))
    assert "not read: 'score_chosen' (1 row)" in caplog.text
