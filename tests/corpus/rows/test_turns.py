"""Rows in domainkit's own forms to examples, and the text of every refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit.corpus.read_files import read_examples
from domainkit.corpus.rows.turns import refuse_tools
from domainkit.errors import DataError

ASK = {"role": "user", "content": "How?"}
REPLY = {"role": "assistant", "content": "So."}
ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
CALLS = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}],
}
GAVE = {"role": "tool", "tool_call_id": "c1", "name": "add", "content": "3"}


def call(name: str, arguments: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"tools": [ADD], "messages": [ASK, {**CALLS, "tool_calls": [{"function": function}]}]}


def write(folder: Path, *rows: Any) -> Path:
    path = folder / "train.jsonl"
    path.write_text("\n".join(json.dumps(r) for r in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "row",
    [
        {"input": "How?", "target": "So.", "kind": "x"},
        {"input": "How?", "target": "So.", "system": ""},
        {"prompt": "How?", "completion": "So."},
        {"prompt": [ASK], "completion": [REPLY]},
        {"prompt": [ASK], "completion": "So."},
        {"messages": [ASK, REPLY]},
        {"messages": [ASK, REPLY], "prompt": "How?", "prompt_id": "7"},
    ],
)
def test_all_layouts_give_the_same_example(tmp_path: Path, row: dict[str, Any]) -> None:
    path = write(tmp_path, row)
    [example] = read_examples(path)
    assert [(t.role, t.content) for t in example.turns] == [("user", "How?"), ("assistant", "So.")]
    assert example.source == f"{path}:1"
    assert (example.question, example.target, example.id) == ("How?", "So.", None)
    assert (
        example.training_content == '{"turns":[{"role":"user","content":"How?"},{"role":"assistant","content":"So."}]}'
    )


def test_system_and_id_are_kept(tmp_path: Path) -> None:
    [example] = read_examples(write(tmp_path, {"id": 7, "input": "How?", "target": "So.", "system": "Be brief."}))
    assert example.id == "7"
    assert (example.turns[0].role, example.turns[0].content) == ("system", "Be brief.")


def test_text_is_kept_to_the_letter(tmp_path: Path) -> None:
    [example] = read_examples(write(tmp_path, {"input": " a\n<|im_end|>", "target": " b "}))
    assert (example.question, example.target) == (" a\n<|im_end|>", " b ")


def test_calls_of_tools_and_what_they_gave(tmp_path: Path) -> None:
    """Calls in the chat format of OpenAI's API.

    Arguments are a string of JSON or an object; content is text, null, empty or missing.
    """
    bare = {"role": "assistant", "tool_calls": [{"name": "add", "arguments": {"a": 1}}]}
    said = {**CALLS, "content": "Let me see."}
    path = write(
        tmp_path,
        {"tools": [ADD], "messages": [ASK, CALLS]},
        {"tools": [ADD], "messages": [ASK, CALLS, GAVE, REPLY]},
        {"tools": [ADD], "prompt": [ASK, bare, GAVE, GAVE], "completion": [said]},
        {"tools": [ADD], "input": "How?", "target": "So."},
        {"messages": [ASK, REPLY]},
    )
    calls, answers, both, offered, plain = read_examples(path)
    [made] = calls.turns[-1].tool_calls
    assert (made.name, made.arguments, made.id) == ("add", {"a": 1}, "c1")
    assert calls.target == '{"name": "add", "arguments": {"a": 1}}'
    assert [t.role for t in answers.turns] == ["user", "assistant", "tool", "assistant"]
    assert (answers.turns[2].tool_call_id, answers.turns[2].name, answers.target) == ("c1", "add", "So.")
    assert both.target == 'Let me see.\n{"name": "add", "arguments": {"a": 1}}'
    assert both.turns[1].tool_calls[0].id
    assert [e.uses_tools for e in (calls, answers, both, offered, plain)] == [True, True, True, True, False]
    assert calls.tools == offered.tools == (ADD,)
    assert len({e.training_content for e in (calls, answers, both, offered, plain)}) == 5, (
        "its tools are part of what is learnt"
    )


def test_what_has_no_use_for_tools_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, {"input": "How?", "target": "So."}, {"tools": [ADD], "messages": [ASK, CALLS]})
    refuse_tools(read_examples(path)[:1], "a comparison")
    with pytest.raises(DataError) as error:
        refuse_tools(read_examples(path), "a comparison")
    assert f"{path}:2" in str(error.value)
    assert "uses tools, and a comparison asks plain questions" in str(error.value)
    assert "leave such rows to `domainkit train`" in str(error.value)


@pytest.mark.parametrize(
    "row, what, cure",
    [
        (
            {"inptu": "a", "target": "b"},
            "missing field 'input' (found: 'inptu', 'target')",
            "rename 'inptu' to 'input'",
        ),
        (
            {"question": "a", "label": "b"},
            "missing fields 'input' and 'target'",
            "'question' to 'input'; rename 'label' to 'target' (or --map input=question,target=label)",
        ),
        ({"conversations": []}, "'messages' is empty", "write a list"),
        ({"prompt": "a", "expected": "b"}, "missing field 'completion'", "a row has 'input' and 'target', or 'prompt'"),
        ({"input": "a", "target": "b", "output": "c"}, "fits several layouts: input and target", "--map input=input"),
        ({"messages": [ASK, REPLY], "input": "a", "target": "b"}, "fits several layouts: messages", "say which"),
        (
            {"x": 1},
            "missing fields 'input' and 'target' (found: 'x')",
            "a row has 'input' and 'target', or 'prompt' and",
        ),
        ({"input": "a", "target": " "}, "'target' is empty", "fill it in, or delete the row"),
        ({"input": "", "target": "b"}, "'input' is empty", "fill it in"),
        ({"input": "a", "target": 3}, "'target' is a number, not text", 'write it as a string, "3"'),
        ({"input": "a", "target": None}, "'target' is null, not text", "as a string"),
        ({"input": ["a"], "target": "b"}, "'input' is a list, not text", "as a string"),
        ({"input": "a", "target": "b", "system": 1}, "'system' is a number", "as a string"),
        ({"input": "a", "target": "b", "id": []}, "'id' is a list, not text", "leave it out"),
        (
            {"messages": [ASK, {**CALLS, "tool_calls": "x"}]},
            "messages[1].tool_calls is a string, not a list",
            "write a list",
        ),
        (
            {"messages": [ASK, {**CALLS, "tool_calls": [{}]}]},
            "messages[1].tool_calls[0] does not name a function",
            '"function": {"name"',
        ),
        (call("add", "{a}"), "tool_calls[0]: the arguments are not JSON", "write a JSON object"),
        (call("add", "[1]"), "tool_calls[0]: the arguments are a list, not an object", "write a JSON object"),
        (call("ad", "{}"), "a turn calls 'ad', which is not among the row's tools", "did you mean 'add'?"),
        (
            {**call("add", "{}"), "tools": None},
            "a turn calls 'add', which is not among the row's tools",
            '"tools": [{"type"',
        ),
        ({**call("add", "{}"), "tools": "add"}, "'tools' is a string, not a list", "write a list of"),
        ({**call("add", "{}"), "tools": [{"name": ""}]}, "tools[0] has no name", "write it as"),
        (
            {"messages": [ASK, GAVE, REPLY]},
            "a tool's turn does not follow a call",
            "put the assistant's turn with its 'tool_calls'",
        ),
        (
            {"messages": [ASK, {**GAVE, "content": None}, REPLY]},
            "'messages[1].content' is null, not text",
            "as a string",
        ),
        (
            {"messages": [ASK, {"role": "assistant", "tool_calls": []}]},
            "messages[1]: missing field 'content'",
            'has "role"',
        ),
        ({"messages": [REPLY, ASK]}, "the last turn is the user's, not the assistant's", "it is the one to be learnt"),
        ({"messages": [REPLY]}, "no user turn comes before the assistant's", "add the question"),
        ({"messages": []}, "'messages' is empty", "write a list"),
        ({"messages": "hi"}, "'messages' is a string, not a list of messages", "write a list"),
        ({"messages": ["hi"]}, "messages[0] is a string, not an object", '{"role": ..., "content": ...}'),
        ({"messages": [{"text": "a"}]}, "messages[0]: missing field 'role'", 'a message has "role" and "content"'),
        ({"messages": [{"role": "usr", "content": "a"}]}, "unknown role 'usr'", "did you mean 'user'?"),
        ({"messages": [{"role": ["user"], "content": "a"}]}, "unknown role ['user']", "did you mean 'user'?"),
        ({"messages": [ASK, {"role": "assistant", "content": ""}]}, "'messages[1].content' is empty", "fill it in"),
        (
            {"messages": [ASK, {"role": "system", "content": "s"}, REPLY]},
            "a system turn is not the first",
            "to the front",
        ),
    ],
)
def test_a_refused_row_names_the_error_the_line_and_the_next_step(
    tmp_path: Path, row: Any, what: str, cure: str
) -> None:
    path = write(tmp_path, {"input": "sound", "target": "row"}, row)
    with pytest.raises(DataError) as caught:
        read_examples(path)
    [problem] = caught.value.problems
    assert problem.line == 2
    assert what in problem.what
    assert cure in (problem.next_step or "")
    assert str(caught.value).startswith(f"{path}:2: ")


def test_all_faults_come_together_in_order_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"input": "a"}\nbroken\n{"input": "a", "target": ""}\n')
    with pytest.raises(DataError) as caught:
        read_examples(path)
    assert [p.line for p in caught.value.problems] == [1, 2, 3]


def test_repeated_ids_name_the_first(tmp_path: Path) -> None:
    row = {"id": "q1", "input": "a", "target": "b"}
    with pytest.raises(DataError, match="the id 'q1' is already on line 1"):
        read_examples(write(tmp_path, row, {**row, "id": "q2"}, row))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no rows\n  next: write one"):
        read_examples(write(tmp_path))
