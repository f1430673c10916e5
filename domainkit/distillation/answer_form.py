"""A teacher's answer, read strictly: what is not in the form of the task's kind is not taught."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from domainkit.errors import ConfigError
from domainkit.evaluation.calls.call_list import read_calls, write_calls
from domainkit.evaluation.calls.matching import form_of_tool
from domainkit.evaluation.fields.form import Form
from domainkit.evaluation.fields.misfit import misfit
from domainkit.evaluation.fields.objects import find_object, parse_list, written
from domainkit.evaluation.fields.of_task import form_of_task
from domainkit.evaluation.kinds.fields import canonical
from domainkit.evaluation.kinds.labels import canonical as canonical_labels
from domainkit.evaluation.task import Sample, Task
from domainkit.messages import CALL_OPEN, tool_name
from domainkit.synthesis.asking.replies import BROKEN, THINKING, repeats
from domainkit.text.words import fold

CUT_OFF, EMPTY, BROKEN_TEXT, LOOP, NOT_A_FORM = (
    "cut off",
    "empty",
    "broken characters",
    "repeats itself",
    "not in the task's form",
)
_SEPARATORS = re.compile(r"[\n,;|]")


@dataclass(frozen=True, slots=True)
class Read:
    """An answer as it would be learnt, or why it would not."""

    text: str = ""
    """In the one form of the kind."""
    fault: str = ""
    """"" for an answer that can be learnt."""
    detail: str = ""
    """What exactly is wrong."""


def read_answer(task: Task, sample: Sample, text: str, *, cut_off: bool = False) -> Read:
    """The answer in the form that the task's targets have. `cut_off`: the model says that it had no more room."""
    text = THINKING.sub("", text).strip()
    if cut_off:
        return Read(fault=CUT_OFF, detail=text)
    if not text:
        return Read(fault=EMPTY)
    if BROKEN.search(text):
        return Read(fault=BROKEN_TEXT, detail=text)
    found, wrong = _READERS[task.kind](task, sample, text)
    if wrong:
        return Read(fault=NOT_A_FORM, detail=f"{wrong}: {text}")
    if task.kind in ("answer", "text") and repeats(found):
        return Read(fault=LOOP, detail=text)
    return Read(found)


def _label(task: Task, sample: Sample, text: str) -> tuple[str, str]:
    label = _listed(task, text)
    return ("", "it is none of the labels") if label is None else (label, "")


def _listed(task: Task, text: str) -> str | None:
    """The label that the text is, in any case; of labels that differ in nothing else, as it is written only."""
    if text in task.labels:
        return text
    alike = [label for label in task.labels if fold(label) == fold(text)]
    return alike[0] if len(alike) == 1 else None


def _labels(task: Task, sample: Sample, text: str) -> tuple[str, str]:
    listed = parse_list(text)
    parts = [part.strip() for part in _SEPARATORS.split(text)] if listed is None else [str(part) for part in listed]
    named = [_listed(task, part) for part in parts if part]
    found = [label for label in named if label is not None]
    if len(found) < len(named):
        return "", "a part of it is none of the labels"
    return canonical_labels(written(found), task.labels), ""


def _fields(task: Task, sample: Sample, text: str) -> tuple[str, str]:
    found = find_object(text)
    if found.fields is None or not found.alone:
        return "", "it is not one JSON object"
    form = form_of_task(task)
    if wrong := misfit(found.fields, form) or _missing(found.fields, form):
        return "", wrong
    return canonical(text, form), ""


def _missing(fields: Mapping[str, object], form: Form) -> str:
    lacking = [n for n, inner in form.fields.items() if inner.required and not inner.nullable and n not in fields]
    return f"it lacks the field '{lacking[0]}'" if lacking else ""


def _calls(task: Task, sample: Sample, text: str) -> tuple[str, str]:
    calls = read_calls(text)
    if calls is None:
        broken = CALL_OPEN in text or text[:1] in ("[", "{")
        return ("", "its calls cannot be read") if broken else (text, "")
    tools = {tool_name(tool): tool for tool in sample.tools}
    for call in calls:
        if call.name not in tools:
            return "", f"it calls '{call.name}', which is not among the row's tools"
        if call.arguments is None:
            return "", f"the arguments of '{call.name}' are not a JSON object"
        try:
            wrong = misfit(call.arguments, form_of_tool(tools[call.name]))
        except ConfigError as e:
            wrong = e.what
        if wrong:
            return "", f"the call of '{call.name}' does not fit: {wrong}"
    return write_calls(calls), ""


def _words(task: Task, sample: Sample, text: str) -> tuple[str, str]:
    return text, ""


_READERS = {
    "label": _label,
    "labels": _labels,
    "fields": _fields,
    "calls": _calls,
    "answer": _words,
    "text": _words,
}
