from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit.corpus.read_files import read_examples
from domainkit.errors import DataError
from domainkit.evaluation.kinds import Part
from domainkit.evaluation.kinds.calls import CALLS, learnt, tools_of_all, view
from domainkit.evaluation.read_task import read_task
from domainkit.evaluation.task import Sample, Task
from domainkit.messages import ToolCall


def tool(name: str, **more: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"hive": {"type": "string"}}, **more}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


WEIGH, VISIT = tool("weigh"), tool("visit")
CALL = [{"name": "weigh", "arguments": {"hive": "4"}}]
LISTED = json.dumps(CALL)


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def asked(answer: dict[str, Any], **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "what does hive 4 weigh"}, {"role": "assistant", **answer}]
    return {"messages": messages, "tools": [WEIGH, VISIT], **more}


OPENAI = asked({"content": None, "tool_calls": [{"function": {"name": "weigh", "arguments": '{"hive": "4"}'}}]})


def error_of(path: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read_task(path, **options)
    return str(caught.value)


def test_rows_with_tools_are_a_task_of_calls(tmp_path: Path) -> None:
    answers = ({"content": "Good day!"}, {"content": LISTED}, {"content": "[]"})
    task = read_task(write(tmp_path / "t.jsonl", OPENAI, *map(asked, answers)))
    assert (task.kind, task.why_kind) == ("calls", "4 of 4 rows have tools")
    assert [s.target for s in task.samples] == [LISTED, "[]", LISTED, "[]"]
    assert tools_of_all(task.samples) == (WEIGH, VISIT)


def test_a_target_may_be_a_list_and_so_may_the_references(tmp_path: Path) -> None:
    row = {"input": "hive 4?", "target": CALL, "references": [[{"name": "visit", "arguments": {}}], []]}
    [sample] = read_task(write(tmp_path / "t.jsonl", {**row, "tools": [WEIGH, VISIT]})).samples
    assert sample.references == (LISTED, '[{"name": "visit", "arguments": {}}]', "[]")


def test_one_file_of_tools_serves_all_rows_that_bring_none(tmp_path: Path) -> None:
    rows = write(tmp_path / "t.jsonl", {"input": "hive 4?", "target": CALL}, {**OPENAI, "tools": [WEIGH]})
    tools = tmp_path / "tools.json"
    tools.write_text(json.dumps([WEIGH, VISIT]))
    task = read_task(rows, tools=tools)
    assert [len(s.tools) for s in task.samples] == [2, 1]
    assert tools_of_all(task.samples) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "lists no tool"),
        ("{", "cannot be read"),
        ('{"name": "weigh"}', "'tools' is an object, not a list"),
        ('[{"description": "x"}]', "has no name"),
    ],
)
def test_a_file_that_is_no_list_of_tools_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "tools.json").write_text(text)
    error = error_of(write(tmp_path / "t.jsonl", OPENAI), tools=tmp_path / "tools.json")
    assert message in error
    assert "tools.json" in error


def test_what_does_not_fit_the_tools_is_named_with_its_row(tmp_path: Path) -> None:
    other = [{"name": "wiegh", "arguments": {}}]
    rows = [
        asked({"content": json.dumps(other)}),
        asked({"content": "[]"}, references=["call it"]),
        asked({"content": "[]"}, references=[json.dumps(other)]),
        asked({"content": "[]"}, tools=[tool("weigh", properties={"hive": 3})]),
        asked({"content": "[]"}, tools=[WEIGH, WEIGH]),
        asked({"content": '[{"name": "weigh", "arguments": "4"}]'}),
    ]
    error = error_of(write(tmp_path / "t.jsonl", *rows))
    for line, what in enumerate(
        (
            "the target calls 'wiegh', which is not among the row's tools",
            "the reference 'call it' is not a list of calls",
            "the target calls 'wiegh'",
            "the tool 'weigh': schema at #/properties/hive: 3 is not a schema",
            "two tools are named 'weigh'",
            "the arguments of 'weigh' are not a JSON object",
        ),
        start=1,
    ):
        assert f"t.jsonl:{line}: {what}" in error
    assert "did you mean 'weigh'" in error


def test_calls_without_tools_name_the_two_places_for_them(tmp_path: Path) -> None:
    error = error_of(write(tmp_path / "t.jsonl", {"input": "hello", "target": "[]"}), kind="calls")
    assert "no row has tools" in error
    assert "--tools" in error


def test_another_kind_refuses_rows_with_tools_by_name(tmp_path: Path) -> None:
    assert "a task of the kind answer asks plain questions" in error_of(
        write(tmp_path / "t.jsonl", OPENAI), kind="answer"
    )


def test_a_listed_call_is_learnt_as_a_turn_that_calls(tmp_path: Path) -> None:
    listed, words = read_examples(write(tmp_path / "t.jsonl", asked({"content": LISTED}), asked({"content": "Hello."})))
    assert learnt(listed).turns[-1].tool_calls == (ToolCall("weigh", {"hive": "4"}, "call_0"),)
    assert CALLS.target(learnt(listed)) == LISTED
    assert learnt(words) == words
    assert CALLS.target(words) == "[]"


def test_the_view_names_each_tool_and_each_value() -> None:
    def parts(answer: str, *references: str) -> list[Part]:
        return view(Sample(id="1", input="q", target=references[0], references=references), answer)

    given = json.dumps([{"name": "weigh", "arguments": {"hive": "5"}}, {"name": "visit", "arguments": {}}])
    assert parts(given, LISTED) == [
        Part("weigh", "called", "called", "match"),
        Part("weigh.hive", "4", "5", "mismatch"),
        Part("visit", "", "called", "invention"),
    ]
    assert parts("Good day!", "[]") == [Part("no call", "no call", "no call", "match")]
    assert parts("", "[]") == [Part("no call", "no call", "", "omission")]
    assert parts(given, "[]")[0] == Part("no call", "no call", "", "omission")
    no_call, call, _ = parts("Good day!", LISTED)
    assert (no_call, call) == (Part("no call", "", "no call", "invention"), Part("weigh", "called", "", "omission"))
    assert {p.status for p in parts(LISTED, "[]", LISTED)} == {"match"}, "the reference that it fits"


def test_a_task_is_read_back_as_it_was(tmp_path: Path) -> None:
    task = read_task(write(tmp_path / "t.jsonl", OPENAI))
    assert Task.model_validate_json(task.model_dump_json()) == task


def test_arguments_that_the_tool_has_no_place_for_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    closed = tool("weigh", properties={"hive": {"type": "string", "enum": ["1", "2"]}})
    read_task(write(tmp_path / "t.jsonl", asked({"content": LISTED}, tools=[tool("weigh")])))
    assert not caplog.text
    read_task(write(tmp_path / "t.jsonl", asked({"content": LISTED}, tools=[closed])))
    assert """the call of 'weigh' does not fit: "4" is not among the values of 'hive'""" in caplog.text
    other = json.dumps([{"name": "weigh", "arguments": {"box": "4"}}])
    read_task(write(tmp_path / "t.jsonl", asked({"content": other}, tools=[closed])))
    assert (
        "it has no field 'box' (1 calls of 1 rows do not fit their tools: an answer held to them misses)" in caplog.text
    )
