"""What a loaded variant may be asked: a text, a dict with question, system, history and tools, or messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import (
    BaseMessage,
    HumanMessage,
    SystemMessage,
    convert_to_messages,
    convert_to_openai_messages,
)
from langchain_core.prompt_values import PromptValue

from domainkit.errors import RequestError
from domainkit.llm.calls import openai_tools

FORMS = 'a text, {"question": …, "system": …, "history": earlier turns, "tools": [...]}, or a list of messages'
Question = str | dict[str, object]


def read_question(given: object, *, dialogues: bool = False) -> Question:
    """The question in the chain's own form: a text, or a dict of question, system, history and tools.

    Raises RequestError for anything else, an empty question, and earlier turns unless `dialogues`: a comparison that
    asked single questions has not measured them.
    """
    question = _read(given)
    turns = question.get("history") if isinstance(question, dict) else None
    if isinstance(turns, list) and not dialogues:
        plural = "s" if len(turns) > 1 else ""
        raise RequestError(
            f"the messages hold {len(turns)} earlier turn{plural}, and the comparison measured single questions",
            next_step="send the last question alone, with what it needs in its words; or compare on test rows that "
            "have earlier turns",
        )
    return question


def _read(given: object) -> Question:
    if isinstance(given, str):
        return _checked(given)
    if isinstance(given, Mapping):
        return _from_mapping(given)
    if isinstance(given, PromptValue):
        return _from_messages(given.to_messages())
    if isinstance(given, BaseMessage):
        return _from_messages([given])
    if isinstance(given, Sequence) and not isinstance(given, bytes | bytearray):
        return _from_messages(_messages(given))
    raise RequestError(f"a value of type {type(given).__name__} is no question", next_step=f"give {FORMS}")


def _from_mapping(given: Mapping[object, object]) -> Question:
    unknown = [str(name) for name in given if name not in ("question", "system", "history", "tools")]
    if unknown or "question" not in given:
        what = f"'{unknown[0]}' is not a field of a question" if unknown else "the field 'question' is missing"
        raise RequestError(what, next_step=f"give {FORMS}")
    question, system = given["question"], given.get("system")
    if not isinstance(question, str) or not isinstance(system, str | type(None)):
        raise RequestError("'question' and 'system' are texts", next_step=f"give {FORMS}")
    history = given.get("history") or ()
    if not isinstance(history, Sequence) or isinstance(history, str | bytes | bytearray):
        raise RequestError("'history' is not a list of messages", next_step=f"give {FORMS}")
    asked = _checked(question, system, _messages(history))
    tools = given.get("tools")
    if tools is None:
        return asked
    if not isinstance(tools, list | tuple):
        raise RequestError("'tools' is not a list", next_step=f"give {FORMS}")
    return {**({"question": asked} if isinstance(asked, str) else asked), "tools": openai_tools(tools)}


def _messages(given: Sequence[Any]) -> list[BaseMessage]:
    try:
        return convert_to_messages(list(given))
    except (ValueError, NotImplementedError, TypeError, KeyError) as e:
        reason = str(e).partition("\n")[0]
        raise RequestError(f"the messages cannot be read: {reason}", next_step=f"give {FORMS}") from e


def _from_messages(messages: Sequence[BaseMessage]) -> Question:
    if not messages or not isinstance(messages[-1], HumanMessage):
        raise RequestError("the last message is not the user's", next_step="end with the question, as a user's message")
    *before, last = messages
    turns = [m for m in before if not isinstance(m, SystemMessage)]
    system = "\n\n".join(_text(m) for m in before if isinstance(m, SystemMessage))
    return _checked(_text(last), system or None, turns)


def _text(message: BaseMessage) -> str:
    content = message.content
    parts = [content] if isinstance(content, str) else content
    if any(not isinstance(p, str) and p.get("type") != "text" for p in parts):
        raise RequestError("a message holds something that is not text", next_step="send text alone")
    return str(message.text)


def _checked(question: str, system: str | None = None, turns: Sequence[BaseMessage] = ()) -> Question:
    if not question.strip():
        raise RequestError("the question is empty", next_step=f"give {FORMS}")
    more: dict[str, object] = {"system": system} if system else {}
    if turns:
        if any(isinstance(m, SystemMessage) for m in turns):
            raise RequestError("'history' holds a system turn", next_step="give it as 'system'")
        for turn in turns:
            _text(turn)
        more["history"] = convert_to_openai_messages(turns)
    return {"question": question, **more} if more else question
