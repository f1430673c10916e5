from __future__ import annotations

import json

import pytest

from domainkit.corpus.example import Example
from domainkit.corpus.rows.turns import Place, example_of
from domainkit.evaluation.calls.call_list import (
    Call,
    answer_text,
    calls_of,
    read_calls,
    shown,
    target_of,
    values_text,
    write_calls,
)
from domainkit.messages import JsonObject

WEATHER: JsonObject = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
ULM = Call("weather", {"city": "Ulm"})


def example(answer: JsonObject, *tools: JsonObject) -> Example:
    row = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", **answer}], "tools": list(tools)}
    return example_of(row, Place("f", 1))


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("[]", ()),
        (" [ ] ", ()),
        ('[{"name": "weather", "arguments": {"city": "Ulm"}}]', (ULM,)),
        ('[{"name": "weather", "arguments": "{\\"city\\": \\"Ulm\\"}"}]', (ULM,)),
        ('[{"id": "c", "type": "function", "function": {"name": "weather", "arguments": {"city": "Ulm"}}}]', (ULM,)),
        ('[{"name": "weather", "args": {"city": "Ulm"}, "id": "c", "type": "tool_call"}]', (ULM,)),
        ('{"name": "weather", "arguments": {"city": "Ulm"}}', (ULM,)),
        ('[{"name": "now"}]', (Call("now", {}),)),
        ('[{"name": "now", "arguments": null}]', (Call("now", {}),)),
        ('[{"name": "weather", "arguments": "Ulm"}]', (Call("weather", None, "Ulm"),)),
        ('[{"name": "weather", "arguments": ["Ulm"]}]', (Call("weather", None, '["Ulm"]'),)),
        ('{"name": "Anna"}', None),
        ('{"name": "Anna", "age": 3}', None),
        ('["Ulm"]', None),
        ('[{"name": "weather", "arguments": {}}, 3]', None),
        ('[{"name": 3, "arguments": {}}]', None),
        ('[{"name": "weather", "arguments": {"city": NaN}}]', None),
        ("[" * 300 + "]" * 300, None),
        ("The weather in Ulm is [fine].", None),
        ("", None),
    ],
)
def test_a_list_of_calls_is_read_in_every_form_and_anything_else_is_words(
    text: str, calls: tuple[Call, ...] | None
) -> None:
    assert read_calls(text) == calls
    assert calls_of(text) == (calls or ())


def test_what_is_written_is_read_back() -> None:
    calls = (ULM, Call("now", {}), Call("weather", None, '{"city": "Ul'), Call("書く", {"何": ["あ", None, 1.5]}))
    assert read_calls(write_calls(calls)) == calls
    assert "書く" in write_calls(calls), "no escapes"


def test_the_target_of_an_example_is_its_calls_in_either_form() -> None:
    calls = {"content": None, "tool_calls": [{"function": {"name": "weather", "arguments": '{"city": "Ulm"}'}}]}
    assert read_calls(target_of(example(calls, WEATHER))) == (ULM,)
    assert read_calls(target_of(example({"content": write_calls([ULM])}))) == (ULM,)
    assert target_of(example({"content": "It is fine."}, WEATHER)) == "[]"
    assert target_of(example({"content": "[]"}, WEATHER)) == "[]"


def test_an_answer_is_its_calls_or_its_words() -> None:
    made = {"name": "weather", "args": {"city": "Ulm"}, "id": "1", "type": "tool_call"}
    assert answer_text("Let me look.", [made], [], ()) == write_calls([ULM])
    assert answer_text("It is fine.", [], [], ()) == "It is fine."
    assert answer_text('[{"args": {"city": "Ulm"}, "name": "weather"}]', [], [], ()) == write_calls([ULM])
    hermes = 'Well.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Ulm"}}\n</tool_call>'
    assert answer_text(hermes, [], [], [WEATHER]) == write_calls([ULM])


def test_a_call_that_cannot_be_made_is_kept_with_what_can_be_read_of_it() -> None:
    cut = {"name": None, "args": '<tool_call>\n{"name": "weather", "argum', "error": "cut off", "id": None}
    assert calls_of(answer_text("", [], [cut], ())) == (Call("", None, cut["args"]),)
    wrong = {"name": None, "args": '<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call>', "error": "unknown"}
    assert calls_of(answer_text("", [], [wrong], ())) == (Call("clock", {}),)
    assert calls_of(answer_text('<tool_call>\n{"name": "cl', [], [], [WEATHER])) == (Call("", None, '{"name": "cl'),)


def test_a_reader_sees_calls_as_a_program_writes_them() -> None:
    assert shown(write_calls([ULM, Call("now", {})])) == 'weather(city="Ulm")\nnow()'
    assert shown("[]") == "no call"
    assert shown("It is fine.") == "It is fine."
    assert shown(json.dumps([{"name": "", "arguments": '{"na'}])) == 'unreadable call: {"na'
    assert values_text(write_calls([Call("book", {"at": {"day": "3 May"}, "hives": ["4", None]})])) == "book 3 May 4"
