"""Tool calls are read from an answer as they were written; what cannot be used is kept with its reason."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.errors import RequestError
from domainkit.messages import (
    InvalidToolCall,
    ToolCall,
    chosen_tools,
    function_of,
    parse_calls,
    shown_length,
    split_reasoning,
    tool_name,
    write_call,
)

ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds.",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    },
}
CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'


def test_several_calls_after_text_get_unique_ids() -> None:
    content, calls, invalid = parse_calls(f"Let me see.\n{CALL}\n{CALL}", [ADD])
    assert content == "Let me see."
    assert [(c.name, c.arguments) for c in calls] == [("add", {"a": 1})] * 2
    assert calls[0].id != calls[1].id
    assert invalid == ()


@pytest.mark.parametrize(
    "body, reason",
    [
        ('{"name": "add", "arguments": {"a": 1}', "not JSON (Expecting ',' delimiter)"),
        ('{"name": "sub", "arguments": {}}', "no tool is named 'sub'"),
        ('{"name": "add", "arguments": [1]}', "arguments are not an object"),
        ('{"name": "add", "arguments": "{}"}', "arguments are not an object"),
        ('{"arguments": {}}', "not an object with a name"),
        ("[]", "not an object with a name"),
        ('{"name": "add", "arguments": {"a": NaN}}', "not JSON (NaN is not a JSON value)"),
        ('{"name": "add", "arguments": {}} {"name": "add"}', "more than one JSON value"),
        ("[" * 100_000, "not JSON (maximum recursion depth exceeded"),
    ],
)
def test_a_broken_call_is_kept_with_its_reason_and_the_next_one_counts(body: str, reason: str) -> None:
    content, calls, invalid = parse_calls(f"<tool_call>\n{body}\n</tool_call>\n{CALL}", [ADD])
    assert content == ""
    assert len(calls) == 1
    assert len(invalid) == 1
    assert invalid[0].reason.startswith(reason)
    assert invalid[0].text == body


def test_a_call_cut_off_is_invalid_but_one_without_its_closing_marker_counts() -> None:
    assert parse_calls('<tool_call>\n{"name": "add", "argu', [ADD]).invalid == (
        InvalidToolCall("cut off before its end", '{"name": "add", "argu'),
    )
    assert parse_calls(CALL.removesuffix("</tool_call>"), [ADD]).calls[0].arguments == {"a": 1}


def test_an_argument_may_contain_the_markers() -> None:
    text = json.dumps({"name": "add", "arguments": {"a": "</tool_call> <tool_call>"}})
    _, calls, invalid = parse_calls(f"<tool_call>{text}</tool_call>", [ADD])
    assert calls[0].arguments == {"a": "</tool_call> <tool_call>"}
    assert invalid == ()


def test_a_bare_call_counts_only_if_it_is_the_whole_answer_and_names_a_tool() -> None:
    bare = '{"name": "add", "arguments": {"a": 1}}'
    assert parse_calls(bare, [ADD]).calls[0].name == "add"
    for text in (f"Look: {bare}", '{"name": "sub", "arguments": {}}', '{"name": "add"}', "{nonsense"):
        assert parse_calls(text, [ADD]) == (text, (), ())
    assert parse_calls(bare, []) == (bare, (), ())


json_objects = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.integers() | st.text() | st.none() | st.booleans(), lambda x: st.lists(x, max_size=3), max_leaves=5
    ),
    max_size=4,
)


@given(st.lists(json_objects, min_size=1, max_size=3), st.booleans())
def test_any_arguments_come_back_as_written(arguments: list[dict[str, Any]], ascii_only: bool) -> None:
    written = "\n".join(
        f"<tool_call>\n{json.dumps({'name': 'add', 'arguments': a}, ensure_ascii=ascii_only)}\n</tool_call>"
        for a in arguments
    )
    if not ascii_only:
        assert written == "\n".join(write_call(ToolCall("add", a, "")) for a in arguments)
    _, calls, invalid = parse_calls(written, [ADD])
    assert [c.arguments for c in calls] == arguments
    assert invalid == ()
    assert len({c.id for c in calls}) == len(calls)


growing_parts = st.lists(
    st.sampled_from(
        [CALL, "<tool_call>{broken</tool_call>", "<tool", "_call>", "\n", " ", "word", "<", '{"name"', "é"]
    ),
    max_size=6,
)


@given(growing_parts)
def test_the_shown_text_only_grows_and_starts_the_final_text(parts: list[str]) -> None:
    text = "".join(parts)
    content = parse_calls(text, [ADD]).text
    shown = ""
    for n in range(len(text) + 1):
        now = text[: shown_length(text[:n])]
        assert now.startswith(shown)
        assert "<tool_call>" not in now
        shown = now
    assert content.startswith(shown)


# ---- tools


def test_a_tool_may_be_wrapped_or_bare() -> None:
    assert tool_name(ADD) == tool_name(ADD["function"]) == "add"  # type: ignore[arg-type]
    assert function_of(ADD) == ADD["function"]
    for tool in ({}, {"function": "add"}, {"type": "function", "function": {"name": ""}}):
        with pytest.raises(RequestError, match="a tool has no name"):
            tool_name(tool)


def test_a_tool_choice_leaves_the_tools_that_a_call_may_name() -> None:
    now = {"name": "now"}
    assert chosen_tools([ADD, now], "auto") == chosen_tools([ADD, now], "any") == (ADD, now)
    assert chosen_tools([ADD, now], "now") == (now,)
    with pytest.raises(RequestError, match=r"'nwo', which is not among(.|\n)*did you mean 'now'"):
        chosen_tools([ADD, now], "nwo")


SPLITS = [
    ("<think>\nwhy\n</think>\n\nso", False, ("why", "so")),
    ("why\n</think>so", True, ("why", "so")),
    ("[THINK]why[/THINK]so", False, ("why", "so")),
    ("<think></think>so", False, ("", "so")),
    ("<think>why", False, ("why", "")),
    ("so <think>why</think>", False, ("", "so <think>why</think>")),
    ("", False, ("", "")),
    ("<", False, ("", "<")),
    ("<|channel|>analysis<|message|>why<|end|><|start|>assistant<|channel|>final<|message|>so", False, ("why", "so")),
    ("<|channel|>final<|message|>so", False, ("", "so")),
]


@pytest.mark.parametrize(("text", "opened", "parts"), SPLITS)
def test_reasoning_is_split_from_the_words_and_both_only_grow(text: str, opened: bool, parts: tuple[str, str]) -> None:
    assert split_reasoning(text, opened=opened) == parts
    shown = [split_reasoning(text[:n], opened=opened, whole=False) for n in range(len(text) + 1)]
    if "<|channel|>" not in text:  # whose marks are whole tokens
        for before, after in zip(shown, [*shown[1:], split_reasoning(text, opened=opened)], strict=True):
            assert after.reasoning.startswith(before.reasoning)
            assert after.text.startswith(before.text)


WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
THOUGHT = "<|channel|>analysis<|message|>I say to=functions.no<|end|>"


@pytest.mark.parametrize(
    "head",
    [
        "<|start|>assistant<|channel|>commentary to=functions.weather <|constrain|>json<|message|>",
        "<|start|>assistant<|channel|>commentary to=functions.weather json<|message|>",
        "<|start|>assistant to=functions.weather<|channel|>commentary json<|message|>",
    ],
)
def test_a_call_in_a_channel_is_a_call_and_no_reasoning(head: str) -> None:
    text = f'{THOUGHT}{head}{{"city": "Ulm"}}'
    split = split_reasoning(text)
    assert split.reasoning == "I say to=functions.no"
    answer = parse_calls(split.text, [WEATHER])
    assert [(c.name, c.arguments) for c in answer.calls] == [("weather", {"city": "Ulm"})]
    assert answer.text == ""
    units = re.split(r"(<\|\w+\|>)", text)  # a mark is one token
    grown = [split_reasoning("".join(units[:n]), whole=False) for n in range(len(units) + 1)]
    assert all(b.text.startswith(a.text) and b.reasoning.startswith(a.reasoning) for a, b in pairwise(grown))
    assert all(shown_length(g.text) == 0 for g in grown)
    cut = parse_calls(split_reasoning(text[:-3]).text, [WEATHER])
    assert (cut.calls, len(cut.invalid)) == ((), 1)


def test_words_after_a_call_in_a_channel_are_words() -> None:
    call = "<|start|>assistant<|channel|>commentary to=functions.weather<|message|>{}<|end|>"
    split = split_reasoning(f"{THOUGHT}{call}<|start|>assistant<|channel|>final<|message|>Sunny")
    answer = parse_calls(split.text, [WEATHER])
    assert ([c.arguments for c in answer.calls], answer.text) == ([{}], "Sunny")
