"""Layouts of other tools: each gives the same example as domainkit's own; what fits two, or none, is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit.corpus.preferences import read_marked, read_pairs
from domainkit.corpus.read_files import read_examples
from domainkit.corpus.rows.layouts import COMMON, FIELDS, LAYOUTS, candidates
from domainkit.errors import ConfigError, DataError

ASK, REPLY = {"role": "user", "content": "How?"}, {"role": "assistant", "content": "So."}
ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def turns(row: dict[str, Any], **options: Any) -> list[tuple[str, str]]:
    [example] = read_examples([row], **options)
    return [(t.role, t.content) for t in example.turns]


@pytest.mark.parametrize(
    "row",
    [
        {"input": "How?", "output": "So."},
        {"question": "How?", "answer": "So."},
        {"Question": "How?", " Answer ": "So."},
        {"query": "How?", "response": "So."},
        {"prompt": "How?", "response": "So."},
        {"text": "How?", "label": "So."},
        {"text": "How?", "label": 3, "label_text": "So."},
        {"instruction": "How?", "input": "", "output": "So."},
        {"instruction": "How?", "output": "So.", "input": None, "question": None, "answer": None},
        {"instruction": "", "input": "How?", "output": "So.", "history": []},
        {"instruction": "How?", "context": "", "response": "So."},
        {"conversations": [{"from": "human", "value": "How?"}, {"from": "gpt", "value": "So."}]},
        {"conversations": [ASK, REPLY]},
        {"conversation": [ASK, REPLY]},
        {"conversations": json.dumps([{"from": "Human", "value": "How?"}, {"from": "chatgpt", "value": "So."}])},
        {"messages": {"role": ["user", "assistant"], "content": ["How?", "So."]}},
        {"messages": json.dumps([ASK, REPLY]), "tools": "[]"},
        {"messages": str([ASK, REPLY])},
        {"messages": [{**ASK, "role": "human"}, {**REPLY, "role": "model"}], "functions": None},
    ],
)
def test_every_layout_gives_the_same_example(row: dict[str, Any]) -> None:
    assert turns(row) == [("user", "How?"), ("assistant", "So.")]


def test_instruction_and_input_both_reach_the_model() -> None:
    alpaca = {"instruction": "Translate.", "input": "house", "output": "Haus", "system": "Be brief."}
    asked = [("system", "Be brief."), ("user", "Translate.\n\nhouse"), ("assistant", "Haus")]
    assert turns(alpaca) == asked
    assert turns({"instruction": "Say.", "context": "Ulm", "response": "x"})[0] == ("user", "Say.\n\nUlm")
    told = turns({**alpaca, "history": [["a", "b"]]})
    assert told == [asked[0], ("user", "a"), ("assistant", "b"), *asked[1:]]


@pytest.mark.parametrize(
    ("human", "assistant"),
    [
        ("human", "gpt"),
        ("user", "assistant"),
        ("prompter", "bot"),
        ("HUMAN", "chatgpt"),
        ("User", "Model"),
        ("user", "ai"),
    ],
)
def test_every_role_name_in_use_is_read(human: str, assistant: str) -> None:
    rows = [{"from": "system", "value": "S"}, {"from": human, "value": "How?"}, {"from": assistant, "value": "So."}]
    assert turns({"conversations": rows}) == [("system", "S"), ("user", "How?"), ("assistant", "So.")]


@pytest.mark.parametrize(
    "row",
    [
        {
            "conversations": [
                {"from": "human", "value": "How?"},
                {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 1}}'},
                {"from": "observation", "value": "3"},
                {"from": "gpt", "value": "So."},
            ],
            "tools": json.dumps([ADD]),
        },
        {
            "conversations": [
                {"from": "human", "value": "How?"},
                {"from": "gpt", "value": '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'},
                {"from": "tool", "value": "3"},
                {"from": "gpt", "value": "So."},
            ],
            "tools": json.dumps([ADD]),
        },
        {
            "messages": [
                ASK,
                {"role": "assistant", "content": None, "function_call": {"name": "add", "arguments": '{"a": 1}'}},
                {"role": "function", "name": "add", "content": "3"},
                REPLY,
            ],
            "functions": [ADD["function"]],
        },
    ],
)
def test_calls_of_tools_are_read_in_each_of_their_forms(row: dict[str, Any]) -> None:
    [example] = read_examples([row])
    assert [t.role for t in example.turns] == ["user", "assistant", "tool", "assistant"]
    [call] = example.turns[1].tool_calls
    assert (call.name, call.arguments, call.id) == ("add", {"a": 1}, "call_1")
    assert example.turns[2].content == "3"
    assert len(example.tools) == 1


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "q", "chosen": "a", "rejected": "b"},
        {"question": "q", "chosen": "a", "rejected": "b"},
        {"instruction": "q", "input": "", "chosen": "a", "rejected": "b"},
        {
            "prompt": [{"role": "user", "content": "q"}],
            "chosen": {"role": "assistant", "content": "a"},
            "rejected": "b",
        },
        {
            "conversations": [{"from": "human", "value": "q"}],
            "chosen": {"from": "gpt", "value": "a"},
            "rejected": {"from": "gpt", "value": "b"},
        },
        {
            "input": {"messages": [{"role": "user", "content": "q"}], "tools": []},
            "preferred_output": [{"role": "assistant", "content": "a"}],
            "non_preferred_output": [{"role": "assistant", "content": "b"}],
        },
        {"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b"},
        {"chosen": "q a", "rejected": "q b"},
    ],
)
def test_every_layout_of_pairs_gives_the_same_pair(row: dict[str, Any]) -> None:
    [pair] = read_pairs([row])
    assert [t.content for t in pair.chosen.turns] == ["q", "a"]
    assert [t.content for t in pair.rejected.turns] == ["q", "b"]


def test_marks_in_cells_are_words(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("prompt,completion,label\nq,a,True\nq,b,FALSE\n")
    assert [row.good for row in read_marked(tmp_path / "m.csv")] == [True, False]


def test_labels_that_are_numbers_are_told(caplog: pytest.LogCaptureFixture) -> None:
    assert turns({"text": "How?", "label": 3})[1] == ("assistant", "3")
    assert "row 1: labels are numbers without names: the model learns the numbers" in caplog.text


@pytest.mark.parametrize(
    "row, what",
    [
        ({"input": "a", "target": "b", "output": "c"}, "input and target ('input', 'target') and input and output"),
        ({"question": "a", "answer": "b", "text": "c", "label": "d"}, "question and answer"),
        ({"instruction": "a", "output": "b", "response": "c"}, "Alpaca ('instruction', 'output') and Dolly"),
    ],
)
def test_a_row_that_fits_two_layouts_is_refused_with_both(row: dict[str, Any], what: str) -> None:
    with pytest.raises(DataError) as caught:
        read_examples([row])
    assert "fits several layouts: " in str(caught.value)
    assert what in str(caught.value)
    assert "say which columns count, such as --map " in str(caught.value)


def test_map_names_columns_and_settles_what_is_ambiguous() -> None:
    row = {"Frage": "How?", "Final answer": "So.", "input": "another", "text": "t", "label": "l"}
    assert turns(row, columns={"input": "Frage", "target": "final answer"}) == [("user", "How?"), ("assistant", "So.")]
    twice = {"input": "How?", "target": "no", "output": "So."}
    assert turns(twice, columns={"input": "input", "target": "output"}) == [("user", "How?"), ("assistant", "So.")]


def test_map_refuses_columns_and_fields_that_are_not_there() -> None:
    rows = [{"Frage": "How?", "Antwort": "So."}]
    with pytest.raises(
        DataError, match=r"has no column 'Fragen', which --map names \(its columns: 'Frage', 'Antwort'\)"
    ):
        read_examples(rows, columns={"input": "Fragen", "target": "Antwort"})
    with pytest.raises(ConfigError, match=r"map: 'inptu' is not a field that is read\n  next: did you mean 'input'?"):
        read_examples(rows, columns={"inptu": "Frage"})


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda one: f"{one.name}: {', '.join(one.fields)}")
def test_each_layout_is_found_by_its_own_fields(layout: Any) -> None:
    names = frozenset((*layout.fields, *layout.optional, *COMMON))
    assert candidates(names, layout.kind) == [layout]
    assert set(layout.fields) <= FIELDS
