"""Tool calls, or an answer in words where no call is right."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from domainkit.corpus.example import Example
from domainkit.corpus.rows.jsonl import raise_errors
from domainkit.errors import ConfigError, DataError, Problem
from domainkit.evaluation.calls.call_list import calls_of, read_calls, target_of, values_text, write_calls
from domainkit.evaluation.calls.matching import count_calls, form_of_tool, pair_calls
from domainkit.evaluation.calls.rival import call_models
from domainkit.evaluation.fields.compare import Status
from domainkit.evaluation.fields.misfit import misfit
from domainkit.evaluation.kinds import Draft, Part, TaskKind
from domainkit.evaluation.task import Sample, Task
from domainkit.messages import JsonObject, Message, ToolCall, tool_name
from domainkit.registry import suggestion

FORM = '[{"name": "tool", "arguments": {…}}], or [] where no call is right'
NO_CALL, UNREADABLE_CALL = "no call", "unreadable call"
NO_TOOLS = 'give each row its "tools", or one file of them for all rows (--tools)'


def _recognise(draft: Draft) -> str:
    rows = sum(bool(row.tools) for row in draft.rows)
    return f"{rows} of {len(draft.rows)} rows have tools" if rows else ""


def _complete(draft: Draft, task: Task) -> Task:
    """Targets and references as lists of calls. Raises DataError where these call a tool that the row has not."""
    problems = [problem for row in (*draft.rows, *draft.train) for problem in _faults(row)]
    samples = []
    for row, sample in zip(draft.rows, task.samples, strict=True):
        references = [target_of(row)]
        for text in sample.references[1:]:
            calls = read_calls(text)
            if calls is None:
                problems.append(row.problem(f"the reference '{text[:60]}' is not a list of calls", f"write {FORM}"))
            else:
                problems += _unknown(row, text)
                references.append(write_calls(calls))
        samples.append(sample.model_copy(update={"target": references[0], "references": tuple(references)}))
    if not any(row.tools for row in draft.rows):
        problems.append(Problem(draft.where, None, "no row has tools, and the answers are to be calls", NO_TOOLS))
    if problems:
        raise DataError(problems)
    _tell_misfits(draft)
    return task.model_copy(update={"samples": tuple(samples)})


def _tell_misfits(draft: Draft) -> None:
    """Arguments that no call held to its tool can have are named: every variant would miss them."""
    unfit = [(row, why) for row in draft.rows for why in _misfits(row)]
    if unfit:
        row, why = unfit[0]
        count = f"{len(unfit)} calls of {len(draft.rows)} rows"
        what = f"{why} ({count} do not fit their tools: an answer held to them misses)"
        raise_errors([row.problem(what, "correct the target, or the tool's parameters", "warning")])


def _misfits(row: Example) -> Iterator[str]:
    tools = {tool_name(tool): tool for tool in row.tools}
    for call in calls_of(target_of(row)):
        if why := misfit(call.arguments or {}, form_of_tool(tools[call.name])):
            yield f"the call of '{call.name}' does not fit: {why}"


def _faults(row: Example) -> Iterator[Problem]:
    """What is wrong with a row's own calls and tools. Calls in OpenAI's form were checked where the row was read."""
    yield from _unknown(row, row.turns[-1].content)
    names = [tool_name(tool) for tool in row.tools]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield row.problem(f"two tools are named '{name}'", "give each tool its own name")
    for tool in row.tools:
        try:
            form_of_tool(tool)
        except ConfigError as e:
            place = e.where or "parameters"
            yield row.problem(f"the tool '{tool_name(tool)}': {place}: {e.what}", e.next_step)


def _unknown(row: Example, text: str) -> Iterator[Problem]:
    names = [tool_name(tool) for tool in row.tools]
    for call in calls_of(text):
        if call.arguments is None:
            yield row.problem(f"the arguments of '{call.name}' are not a JSON object", f"write {FORM}")
        if call.name not in names:
            next_step = suggestion(call.name, names) if names else NO_TOOLS
            yield row.problem(f"the target calls '{call.name}', which is not among the row's tools", next_step)


def learnt(example: Example) -> Example:
    """An example whose target is a JSON list, with its calls as a turn: as a model with tools is trained and asked."""
    last = example.turns[-1]
    calls = () if last.tool_calls else calls_of(last.content)
    if not calls:
        return example
    made = tuple(ToolCall(call.name, call.arguments or {}, f"call_{i}") for i, call in enumerate(calls))
    return example.model_copy(update={"turns": (*example.prompt, Message("assistant", "", tool_calls=made))})


def tools_of_all(samples: Sequence[Sample]) -> tuple[JsonObject, ...]:
    """The tools of a task whose rows all have the same ones; else none."""
    lists = {json.dumps(s.tools, sort_keys=True) for s in samples}
    return samples[0].tools if len(lists) == 1 else ()


def view(sample: Sample, answer: str) -> list[Part]:
    """A part for each call, under its tool's name, one for each value, and "no call" where none was wanted or made.
    Compared with the right answer that the given one fits best."""
    given = calls_of(answer)
    rights = [calls_of(reference) for reference in sample.references]
    wanted = max(rights, key=lambda right: count_calls(right, given, sample.tools).f1)
    parts = []
    if not wanted or (not given and answer.strip()):
        words = not given and bool(answer.strip())
        expected, made = "" if wanted else NO_CALL, NO_CALL if words else ""
        parts.append(Part(NO_CALL, expected, made, _status(not wanted, words)))
    for pair in pair_calls(wanted, given, sample.tools):
        tool = pair.tool or UNREADABLE_CALL
        status = _status(pair.wanted is not None, pair.given is not None)
        parts.append(Part(tool, "called" if pair.wanted else "", "called" if pair.given else "", status))
        parts += [
            Part(f"{tool}.{leaf.path}", _text(leaf.gold), _text(leaf.answer), leaf.status)
            for leaf in pair.leaves
            if leaf.status != "empty"
        ]
    return parts


def _status(wanted: bool, given: bool) -> Status:
    return "match" if wanted and given else "omission" if wanted else "invention"


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


CALLS = TaskKind(
    name="calls",
    title=lambda labels: "call tools, or answer in words",
    recognise=_recognise,
    complete=_complete,
    models=call_models,
    target=target_of,
    learnt=lambda example, task: learnt(example),
    noun="list of calls",
    leaks_by_answer=True,
    leak_text=values_text,
    answer_tokens=128,
    metric="call_score",
    view=lambda sample, answer, task: view(sample, answer),
)
