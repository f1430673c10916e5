"""Pairs and marked answers: both spellings are read, every faulty row is an error with its line and the next step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit.corpus.preferences import read_marked, read_pairs
from domainkit.errors import DataError

PAIR = {"prompt": "q", "chosen": "a", "rejected": "b"}
GOOD, BAD = {"prompt": "q", "completion": "a", "label": True}, {"input": "q", "answer": "b", "label": False}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_pairs_are_read_in_every_spelling(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "q"}]
    rows = (
        PAIR,
        {"input": "q", "chosen": "a", "rejected": "b", "system": "s", "id": "x"},
        {**PAIR, "prompt": messages, "chosen": [{"role": "assistant", "content": "a"}]},
    )
    plain, system, chat = read_pairs(write(tmp_path / "p.jsonl", *rows))
    assert (plain.chosen.question, plain.chosen.target, plain.rejected.target) == ("q", "a", "b")
    assert plain.chosen.source == f"{tmp_path / 'p.jsonl'}:1"
    assert [t.role for t in system.rejected.turns] == ["system", "user", "assistant"]
    assert chat.chosen.turns == plain.chosen.turns


ASK, GOOD_REPLY, BAD_REPLY = (
    {"role": r, "content": c} for r, c in (("user", "q"), ("assistant", "a"), ("assistant", "b"))
)
SYSTEM = {"role": "system", "content": "s"}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "q", "chosen": [ASK, GOOD_REPLY], "rejected": [ASK, BAD_REPLY]},
        {"prompt": [ASK], "chosen": [ASK, GOOD_REPLY], "rejected": [BAD_REPLY]},
        {"chosen": [ASK, GOOD_REPLY], "rejected": [ASK, BAD_REPLY]},
        {"prompt": "q", "chosen": "a", "rejected": [BAD_REPLY]},
    ],
)
def test_a_prompt_that_the_answers_repeat_is_learnt_once(tmp_path: Path, row: dict[str, Any]) -> None:
    [pair] = read_pairs(write(tmp_path / "p.jsonl", row))
    assert [t.content for t in pair.chosen.turns] == ["q", "a"]
    assert [t.content for t in pair.rejected.turns] == ["q", "b"]


def test_a_system_turn_of_the_answers_is_kept(tmp_path: Path) -> None:
    chosen, rejected = [SYSTEM, ASK, GOOD_REPLY], [SYSTEM, ASK, BAD_REPLY]
    rows = [{"prompt": prompt, "chosen": chosen, "rejected": rejected} for prompt in ("q", [ASK], [SYSTEM, ASK])]
    rows += [{"chosen": chosen, "rejected": rejected}, {**rows[0], "system": "s"}]
    for pair in read_pairs(write(tmp_path / "p.jsonl", *rows)):
        assert [t.content for t in pair.chosen.turns] == ["s", "q", "a"]


def test_conversations_without_a_common_start_need_a_prompt(tmp_path: Path) -> None:
    row = {"chosen": [GOOD_REPLY], "rejected": [BAD_REPLY]}
    with pytest.raises(DataError, match="missing field 'prompt'"):
        read_pairs(write(tmp_path / "p.jsonl", row))


def test_marked_answers_are_read_in_both_spellings(tmp_path: Path) -> None:
    rows = read_marked(write(tmp_path / "m.jsonl", GOOD, BAD))
    assert [(r.example.target, r.good) for r in rows] == [("a", True), ("b", False)]


@pytest.mark.parametrize(
    "row,said,cure",
    [
        ({"prompt": "q", "chosen": "a"}, "missing field 'rejected' (found: 'prompt', 'chosen')", "a row is {"),
        ({"prompt": "q", "choosen": "a", "rejected": "b"}, "missing field 'chosen'", "rename 'choosen' to 'chosen'"),
        ({**PAIR, "rejected": "a"}, "'chosen' and 'rejected' are the same", "drop the row"),
        ({**PAIR, "chosen": ""}, "'chosen' is empty", "fill it in"),
        ({**PAIR, "chosen": 3}, "'chosen' is a number, not text", 'write it as a string, "3"'),
        (
            {**PAIR, "rejected": [{"role": "user", "content": "r"}, {"role": "assistant", "content": "b"}]},
            "hold different turns before the last one",
            "put the turns that both answer into 'prompt'",
        ),
    ],
)
def test_a_faulty_pair_is_an_error_with_its_line(row: dict[str, Any], said: str, cure: str, tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", PAIR, row)
    with pytest.raises(DataError) as caught:
        read_pairs(path)
    assert f"{path}:2: " in str(caught.value)
    assert said in str(caught.value)
    assert cure in str(caught.value)


@pytest.mark.parametrize(
    "rows,said",
    [
        ((GOOD, {**GOOD, "label": 1}), "m.jsonl:2: 'label' is a number, not true or false"),
        ((GOOD, {"prompt": "q", "completion": "a", "lable": True}), "rename 'lable' to 'label'"),
        ((GOOD, GOOD), "every answer is marked true, so good and bad cannot be compared"),
        ((), "holds no rows"),
    ],
)
def test_faulty_marked_answers_are_errors(rows: tuple[dict[str, Any], ...], said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_marked(write(tmp_path / "m.jsonl", *rows))
    assert said in str(caught.value)
    assert "next: " in str(caught.value)
