"""compare() where the answers are tool calls: what is asked, kept and scored."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from domainkit import Results, Variant, compare, load_variant
from domainkit.errors import ConfigError, RequestError
from domainkit.evaluation.calls.call_list import answer_text
from domainkit.serving.winner import WinnerModel
from domainkit.serving.wire.bodies import ChatBody
from domainkit.serving.wire.errors import ApiError

HIVES = ("Clover", "Rosemary", "Thyme", "Heather")


def tool(name: str, *arguments: str) -> dict[str, Any]:
    properties = {argument: {"type": "string"} for argument in arguments}
    parameters = {"type": "object", "properties": properties, "required": list(arguments)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TOOLS = [tool("weigh", "hive"), tool("market")]


def rows(n: int, start: int = 0) -> list[dict[str, Any]]:
    made = []
    for i in range(start, start + n):
        hive = f"{HIVES[i % 4]} {i}"
        made += [
            {"input": f"how heavy is hive {hive}?", "target": [{"name": "weigh", "arguments": {"hive": hive}}]},
            {"input": f"is there a market on day {i}", "target": [{"name": "market", "arguments": {}}]},
            {"input": f"good morning from {hive}", "target": []},
        ]
    return made


def write(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_base: str) -> Path:
    folder = tmp_path_factory.mktemp("calls")
    (folder / "tools.json").write_text(json.dumps(TOOLS))
    asked: list[Any] = []

    def weigh_all(question: dict[str, Any]) -> AIMessage:
        asked.append(question)
        return AIMessage("", tool_calls=[{"name": "weigh", "args": {"hive": "Clover 100"}, "id": "1"}])

    own = Variant(name="own", description="A test's own.", runnable=RunnableLambda(weigh_all))
    compare(
        write(folder / "test.jsonl", rows(4, 100)),
        ["trivial", "classical", "few-shot", own],
        folder / "run",
        train=write(folder / "train.jsonl", rows(8)),
        tools=folder / "tools.json",
        base=tiny_base,
        max_tokens=8,
        shots=2,
        latency_items=1,
    )
    assert all(question["tools"] == TOOLS for question in asked)
    return folder / "run"


@pytest.fixture(scope="module")
def finished(run: Path) -> Results:
    return Results.load(run)


def scores(results: Results, name: str) -> dict[str, float | None]:
    variant = next(v for v in results.variants if v.name == name)
    return {metric: found.value for metric, found in variant.metrics.items()}


def test_every_variant_is_scored_by_its_calls(finished: Results) -> None:
    assert (finished.task.kind, finished.task.primary_metric) == ("calls", "call_score")
    assert not finished.failed
    # A third of the questions wants no call, and that is the commonest answer.
    assert scores(finished, "trivial")["call_score"] == pytest.approx(1 / 3)
    assert scores(finished, "own") == pytest.approx(
        {
            "call_score": (1 + 3 * 0.5) / 12,
            "right_tool": 1 / 3,
            "calls_all_right": 1 / 12,
            "needless_call": 1,
            "missing_call": 0,
        }
    )
    assert (scores(finished, "classical")["right_tool"] or 0) > 0.9


def test_answers_are_kept_as_lists_of_calls_or_as_words(finished: Results) -> None:
    item = finished.items[0]
    assert item.target == '[{"name": "weigh", "arguments": {"hive": "Clover 100"}}]'
    assert item.answers["own"].text == item.target
    assert [t["function"]["name"] for t in item.tools] == ["weigh", "market"]


def test_a_loaded_variant_calls_as_it_was_measured(run: Path, finished: Results) -> None:
    item = finished.items[1]
    for name in ("classical", "few-shot"):
        answer = load_variant(run, name).invoke(item.input)
        assert answer_text(answer.text, answer.tool_calls, answer.invalid_tool_calls, TOOLS) == item.answers[name].text
    called = load_variant(run, "classical").invoke({"question": item.input, "tools": TOOLS[:1]}).tool_calls
    assert all(call["name"] == "weigh" for call in called), "no other tool is offered"


def test_tools_that_no_comparison_was_about_are_refused(run: Path) -> None:
    loaded = load_variant(run, "classical")
    loaded.record = loaded.record.model_copy(update={"tools": ()})
    with pytest.raises(RequestError, match="the question brings no tools") as error:
        loaded.invoke("hello")
    assert "[] for none" in str(error.value)
    assert loaded.invoke({"question": "how heavy is hive Clover 7?", "tools": []}).tool_calls == []
    loaded.record = loaded.record.model_copy(update={"kind": "answer"})
    with pytest.raises(RequestError, match="the question brings tools, and the comparison was of the kind answer"):
        loaded.invoke({"question": "hello", "tools": TOOLS})


def test_a_served_variant_answers_with_calls(run: Path, finished: Results) -> None:
    model = WinnerModel("hives", load_variant(run, "classical"))
    item = finished.items[1]
    body = ChatBody.model_validate({"model": "hives", "messages": [{"role": "user", "content": item.input}]})

    async def ask(body: ChatBody) -> Any:
        [answer] = await (await model.understand(body)).answers()
        return answer.completion

    completion = asyncio.run(ask(body))
    [wanted] = json.loads(item.answers["classical"].text)
    assert [(c.name, c.arguments) for c in completion.tool_calls] == [(wanted["name"], wanted["arguments"])]
    assert (completion.text, completion.finish_reason) == ("", "tool_calls")
    assert asyncio.run(ask(body.model_copy(update={"tools": TOOLS, "tool_choice": "auto"}))).tool_calls
    with pytest.raises(ApiError, match="takes no tool_choice"):
        asyncio.run(ask(ChatBody.model_validate({**body.model_dump(exclude_unset=True), "tool_choice": "required"})))


def test_an_agent_is_left_out_with_the_reason(tmp_path: Path, tiny_base: str) -> None:
    task = write(tmp_path / "test.jsonl", [{**row, "tools": TOOLS} for row in rows(2)])
    (tmp_path / "doc.md").write_text("Hives are weighed at night.")
    with pytest.raises(ConfigError, match="variant 'agent' cannot run: an agent calls its own tool") as error:
        compare(task, ["agent"], tmp_path / "run", corpus=tmp_path / "doc.md", base=tiny_base)
    assert "leave the variant out" in str(error.value)
