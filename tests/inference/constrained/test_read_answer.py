"""A whole answer is read as what its request asked for; what breaks a schema never passes as what keeps it."""

from __future__ import annotations

import pytest

from domainkit.errors import RequestError
from domainkit.inference.backend import Request
from domainkit.inference.constrained.read_answer import read_answer
from domainkit.messages import Message, ToolCall, write_call

ASKED = (Message("user", "x"),)
UNIQUE = {"type": "array", "uniqueItems": True}
TOOL = {"name": "add", "parameters": {"type": "object", "properties": {"of": UNIQUE}}}


def test_json_that_breaks_the_schema_is_an_error_that_shows_it() -> None:
    request = Request(ASKED, json_schema=UNIQUE)
    assert read_answer("[1, 2]", request, check=True).text == "[1, 2]"
    with pytest.raises(
        RequestError, match=r"\[1, 1\]: the answer does not fit the JSON schema: / breaks 'uniqueItems'"
    ):
        read_answer("[1, 1]", request, check=True)
    assert read_answer("[1, 1", request, check=True).text == "[1, 1"
    assert read_answer("[1, 1]", request, check=False).text == "[1, 1]"
    assert read_answer("[1, 1]", Request(ASKED, json_schema=UNIQUE, check_schema=False), check=True).text == "[1, 1]"


def test_a_call_that_breaks_its_tool_s_schema_is_an_invalid_one() -> None:
    text = "\n".join(write_call(ToolCall("add", {"of": of}, "")) for of in ([1, 1], [1, 2]))
    answer = read_answer(text, Request(ASKED, tools=(TOOL,)), check=True)
    assert [c.arguments for c in answer.calls] == [{"of": [1, 2]}]
    assert [c.reason for c in answer.invalid] == ["arguments: /of breaks 'uniqueItems': True"]
    assert len(read_answer(text, Request(ASKED, tools=(TOOL,)), check=False).calls) == 2
