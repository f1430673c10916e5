"""What is no question is refused with its reason; nothing of a question is dropped."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from domainkit.errors import RequestError
from domainkit.winner.question import read_question

TOOL = {"type": "function", "function": {"name": "weigh", "description": "", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("why?", "why?"),
        ({"question": "why?", "system": None}, "why?"),
        ({"question": "why?", "system": ""}, "why?"),
        ({"question": "why?", "history": []}, "why?"),
        ({"question": "why?", "system": "s"}, {"question": "why?", "system": "s"}),
        ({"question": "why?", "tools": []}, {"question": "why?", "tools": []}),
        (
            {"question": "why?", "system": "s", "tools": [TOOL]},
            {"question": "why?", "system": "s", "tools": [TOOL]},
        ),
        (HumanMessage("why?"), "why?"),
        (["why?"], "why?"),
        (
            [{"role": "system", "content": "s"}, {"role": "user", "content": "why?"}],
            {"question": "why?", "system": "s"},
        ),
        ([("system", "a"), ("system", "b"), ("user", "why?")], {"question": "why?", "system": "a\n\nb"}),
        ([HumanMessage([{"type": "text", "text": "why?"}])], "why?"),
    ],
)
def test_the_forms_of_a_question(given: Any, read: Any) -> None:
    assert read_question(given) == read


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "the question is empty"),
        (" \n", "the question is empty"),
        ({"question": "why?", "tools": "weigh"}, "'tools' is not a list"),
        ([], "the last message is not the user's"),
        ([AIMessage("because")], "the last message is not the user's"),
        ([HumanMessage("why?"), ToolMessage("x", tool_call_id="1")], "the last message is not the user's"),
        ([HumanMessage("a"), AIMessage("b"), HumanMessage("c")], "the messages hold 2 earlier turns"),
        ([HumanMessage("a"), HumanMessage("c")], "the messages hold 1 earlier turn,"),
        ([HumanMessage("a"), SystemMessage("s"), HumanMessage("c")], "the messages hold 1 earlier turn,"),
        ([HumanMessage([{"type": "image_url", "image_url": {"url": "x"}}])], "a message holds something that is not"),
        ({"input": "why?"}, "'input' is not a field of a question"),
        ({"question": "c", "history": [("user", "a"), ("ai", "b")]}, "the messages hold 2 earlier turns"),
        ({"question": "why?", "history": "before"}, "'history' is not a list of messages"),
        ({"question": "why?", "history": [("system", "s")]}, "'history' holds a system turn"),
        ({"question": "why?", "turns": []}, "'turns' is not a field of a question"),
        ({"system": "s"}, "the field 'question' is missing"),
        ({"question": 3}, "'question' and 'system' are texts"),
        ({"question": "a", "system": ["s"]}, "'question' and 'system' are texts"),
        (3, "a value of type int is no question"),
        (None, "a value of type NoneType is no question"),
        (b"why?", "a value of type bytes is no question"),
        ([3], "the messages cannot be read"),
        ([{"role": "wizard", "content": "x"}], "the messages cannot be read"),
    ],
)
def test_what_is_no_question_is_refused(given: Any, said: str) -> None:
    with pytest.raises(RequestError) as error:
        read_question(given)
    assert said in str(error.value)
    assert "\n  next: " in str(error.value)


def test_earlier_turns_are_read_where_they_were_measured() -> None:
    history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    read = {"question": "c", "system": "s", "history": history}
    assert read_question({"question": "c", "system": "s", "history": history}, dialogues=True) == read
    messages = [SystemMessage("s"), HumanMessage("a"), AIMessage("b"), HumanMessage("c")]
    assert read_question(messages, dialogues=True) == read
    with pytest.raises(RequestError, match="something that is not text"):
        read_question([HumanMessage([{"type": "image_url", "image_url": {"url": "x"}}]), *messages[2:]], dialogues=True)
