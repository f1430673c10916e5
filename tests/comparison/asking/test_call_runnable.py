"""Any Runnable answers; a failing item is its own row; finished rows are not asked again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda

from domainkit.comparison.asking.call_runnable import answer_all
from domainkit.evaluation.answers_on_disk import RowStore
from domainkit.evaluation.task import Sample

SAMPLES = [Sample(id=str(i), input=f"q{i}", target="t", references=("t",)) for i in range(5)]


def run(runnable: Runnable[Any, Any], folder: Path, key: str = "k", size: int = 2) -> list[Any]:
    with RowStore(folder / "rows.jsonl") as store:
        return answer_all("v", key, lambda: runnable, SAMPLES, store, batch_size=size)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda t: t,
        lambda t: AIMessage(t),
        lambda t: {"answer": t},
        lambda t: {"output": AIMessage(t)},
        lambda t: {"messages": [AIMessage("earlier"), AIMessage(t)]},
        lambda t: AIMessage(f"<think>to whom?</think>\n{t}"),
        lambda t: f"<think>to whom?</think>\n{t}",
    ],
)
def test_every_form_of_answer_is_read(tmp_path: Path, wrap: Any) -> None:
    rows = run(RunnableLambda(lambda q: wrap(f"to {q}")), tmp_path)
    assert [r.text for r in rows] == [f"to q{i}" for i in range(5)]
    assert all(r.seconds is not None and r.error is None for r in rows)


def test_calls_are_kept_as_their_list(tmp_path: Path) -> None:
    call = {"name": "weigh", "args": {"hive": "4"}, "id": "1"}
    wire = {"id": "1", "type": "function", "function": {"name": "weigh", "arguments": '{"hive": "4"}'}}
    forms: list[Any] = [
        AIMessage("Let me see.", tool_calls=[call]),
        {"messages": [AIMessage("", tool_calls=[call])]},
        {"role": "assistant", "content": None, "tool_calls": [wire]},
        AIMessage("words"),
        AIMessage("", invalid_tool_calls=[{"name": None, "args": "<tool_call>{", "id": None, "error": "cut off"}]),
    ]
    rows = run(RunnableLambda(lambda q: forms[int(q[1:])]), tmp_path)
    listed = '[{"name": "weigh", "arguments": {"hive": "4"}}]'
    assert [r.text for r in rows] == [listed, listed, listed, "words", '[{"name": "", "arguments": "<tool_call>{"}]']
    assert not any(r.error for r in rows)


def test_usage_seconds_and_passages_are_kept(tmp_path: Path) -> None:
    message = AIMessage(
        "a",
        usage_metadata={"input_tokens": 7, "output_tokens": 2, "total_tokens": 9},
        response_metadata={
            "prefill_seconds": 0.5,
            "decode_seconds": 0.25,
            "passages": [{"id": "d", "title": "T", "text": "x"}],
        },
    )
    [first, *_] = run(RunnableLambda(lambda q: message), tmp_path)
    assert (first.prompt_tokens, first.completion_tokens, first.seconds) == (7, 2, 0.75)
    assert (first.prefill_seconds, first.decode_seconds) == (0.5, 0.25)
    assert first.memory_bytes is not None
    assert 10e6 < first.memory_bytes < 100e9, "this process's, in bytes"
    assert first.passages[0].id == "d"


def test_a_failing_item_disturbs_no_other_and_is_tried_again(tmp_path: Path) -> None:
    def answer(question: str) -> str:
        if question == "q3" and broken:
            raise ValueError("boom")
        return question

    broken = True
    rows = run(RunnableLambda(answer), tmp_path)
    assert [r.error for r in rows] == [None, None, None, "ValueError: boom", None]
    broken = False
    assert [r.error for r in run(RunnableLambda(answer), tmp_path)] == [None] * 5


def test_a_runnable_that_exits_fails_its_own_row_and_no_other(tmp_path: Path) -> None:
    def answer(question: str) -> str:
        if question == "q3":
            sys.exit("no such file")
        return f"to {question}"

    rows = run(RunnableLambda(answer), tmp_path, size=5)
    assert [r.text for r in rows if r.error is None] == ["to q0", "to q1", "to q2", "to q4"]
    assert rows[3].error == "SystemExit: no such file"


def test_ctrl_c_ends_the_run(tmp_path: Path) -> None:
    def answer(question: str) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(RunnableLambda(answer), tmp_path)


def test_an_unreadable_answer_says_what_is_accepted(tmp_path: Path) -> None:
    rows = run(RunnableLambda(lambda q: 3.5), tmp_path)
    assert "a variant must answer with text, a message or a dict, not float" in (rows[0].error or "")


def test_a_stopped_run_asks_only_what_is_left(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return question

    with pytest.raises(KeyboardInterrupt):
        run(RunnableLambda(answer), tmp_path, size=1)
    first, asked[:] = list(asked), []
    asked.extend(["-"] * 3)  # past the interruption
    run(RunnableLambda(answer), tmp_path, size=1)
    assert first == ["q0", "q1", "q2"]
    assert asked[3:] == ["q2", "q3", "q4"]


def test_another_key_asks_again(tmp_path: Path) -> None:
    run(RunnableLambda(lambda q: "old"), tmp_path, key="before")
    assert [r.text for r in run(RunnableLambda(lambda q: "new"), tmp_path, key="after")] == ["new"] * 5
