"""What a writer may put around and into its JSON, and what is left of it when it is cut off."""

from __future__ import annotations

import json

import pytest

from domainkit.synthesis.asking.replies import Malformed, Written, read_reply

ROW = {"quote": "It costs £4.", "question": "What does a locker cost?", "answer": "£4"}
GOOD = Written("It costs £4.", "What does a locker cost?", "£4")
TEXT = json.dumps(ROW)


@pytest.mark.parametrize(
    "reply",
    [
        json.dumps({"rows": [ROW]}),
        f"[{TEXT}]",
        TEXT,
        f"```json\n[{TEXT}]\n```",
        f"Here are the rows:\n\n[{TEXT}]\nI hope this helps.",
        f'<think>Maybe {{"rows": []}}?</think>\n{{"rows": [{TEXT}]}}',
        json.dumps({"rows": [{**ROW, "difficulty": 3, "answer": " £4\n"}]}, indent=2),
    ],
)
def test_rows_are_read_whatever_stands_around_them(reply: str) -> None:
    assert read_reply(reply, cut_off=False) == [GOOD]


def kinds(reply: str, *, cut_off: bool = False) -> list[str]:
    return [item.kind if isinstance(item, Malformed) else "row" for item in read_reply(reply, cut_off=cut_off)]


def test_whole_rows_before_a_cut_are_kept_and_the_cut_is_counted() -> None:
    reply = f'{{"rows": [{TEXT}, {TEXT}, {{"quote": "It co'
    assert kinds(reply, cut_off=True) == ["row", "row", "cut off"]
    assert kinds(reply) == ["row", "row", "cut off"]
    assert kinds("", cut_off=True) == ["cut off"]
    assert kinds('{"rows": [', cut_off=True) == ["cut off"]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("I cannot help with that.", "not JSON"),
        ("{quote: 1}", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("", "no rows"),
        ("[]", "no rows"),
        ('{"rows": []}', "no rows"),
        ('{"questions": [{"q": "x"}]}', "a field is missing"),
        ('["a question"]', "a field is missing"),
        (json.dumps({**ROW, "answer": None}), "a field is not text"),
        (json.dumps({**ROW, "question": True}), "a field is not text"),
        (json.dumps({**ROW, "quote": " \n "}), "a field is empty"),
        (json.dumps({**ROW, "question": "What\x00?"}), "broken characters"),
        (json.dumps({**ROW, "answer": "half \ud83d"}), "broken characters"),
        (json.dumps({**ROW, "answer": "it is what it is and " * 3}), "repeats itself"),
    ],
)
def test_each_fault_has_its_kind(reply: str, kind: str) -> None:
    assert kinds(reply) == [kind]


def test_a_number_is_an_answer() -> None:
    [row] = read_reply(json.dumps({**ROW, "answer": 19}), cut_off=False)
    assert row == Written("It costs £4.", "What does a locker cost?", "19")
