"""An answer is learnt in the form of the task, or not at all."""

from __future__ import annotations

import pytest

from domainkit import Sample, Task
from domainkit.distillation.answer_form import BROKEN_TEXT, CUT_OFF, EMPTY, LOOP, NOT_A_FORM, read_answer
from domainkit.evaluation.task import Kind

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "size": {"enum": ["s", "l"]}},
    "required": ["name"],
}
TOOL = {
    "type": "function",
    "function": {"name": "find", "parameters": {"type": "object", "properties": {"word": {"type": "string"}}}},
}


def read(kind: Kind, text: str, *, cut_off: bool = False) -> tuple[str, str]:
    labels = ("Billing", "late parcel", "Late Parcel", "tea, loose") if kind in ("label", "labels") else ()
    schema = SCHEMA if kind == "fields" else None
    task = Task(name="t", kind=kind, samples=(), labels=labels, json_schema=schema, fingerprint="")
    sample = Sample(id="1", input="q", target="", references=(), tools=(TOOL,) if kind == "calls" else ())
    found = read_answer(task, sample, text, cut_off=cut_off)
    return found.text, found.fault


@pytest.mark.parametrize(
    ("kind", "text", "learnt"),
    [
        ("label", " billing.\n", "Billing"),
        ("label", "<think>is it a parcel?</think>Billing", "Billing"),
        ("label", "late parcel", "late parcel"),
        ("labels", '["tea, loose", "Billing"]', '["Billing", "tea, loose"]'),
        ("labels", "[]", "[]"),
        ("labels", "billing\nlate parcel", '["Billing", "late parcel"]'),
        ("fields", '```json\n{"size": "s", "name": "Ann"}\n```', '{"name": "Ann", "size": "s"}'),
        ("calls", '{"name": "find", "arguments": {"word": "x"}}', '[{"name": "find", "arguments": {"word": "x"}}]'),
        ("calls", "I cannot look that up.", "I cannot look that up."),
        ("answer", " 4 crowns ", "4 crowns"),
        ("text", "First.\nSecond.", "First.\nSecond."),
    ],
)
def test_the_form_is_that_of_targets(kind: Kind, text: str, learnt: str) -> None:
    assert read(kind, text) == (learnt, "")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("label", "The label is Billing"),
        ("label", "LATE PARCEL"),  # two labels differ by their letters' case alone
        ("labels", '["Billing", "coffee"]'),
        ("fields", 'Here it is: {"name": "Ann"}'),
        ("fields", '{"name": "Ann", "colour": "red"}'),
        ("fields", '{"name": "Ann", "size": "xl"}'),
        ("fields", '{"size": "s"}'),
        ("calls", '[{"name": "search", "arguments": {}}]'),
        ("calls", '[{"name": "find", "arguments": {"words": "x"}}]'),
        ("calls", '[{"name": "find", "argu'),
    ],
)
def test_what_is_not_in_the_form_is_no_row(kind: Kind, text: str) -> None:
    assert read(kind, text) == ("", NOT_A_FORM)


def test_damaged_answers_are_no_rows() -> None:
    assert read("answer", "half of an", cut_off=True) == ("", CUT_OFF)
    assert read("answer", "<think>without an end") == ("", EMPTY)
    assert read("answer", "a\x07b") == ("", BROKEN_TEXT)
    assert read("text", "and so it goes on " * 4) == ("", LOOP)
