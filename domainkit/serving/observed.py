"""What the observer of a server gets."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from langchain_core.messages import AIMessage

from domainkit.llm.messages import to_result
from domainkit.serving.models import ServedModel
from domainkit.serving.state import State
from domainkit.serving.winner import WinnerModel
from domainkit.serving.wire.answers import Answer
from domainkit.serving.wire.bodies import ChatBody
from domainkit.serving.wire.messages import read_messages

log = logging.getLogger("domainkit")


def tell_observer(state: State, model: ServedModel, body: ChatBody, answers: Sequence[Answer], seconds: float) -> None:
    """Tell of the first of an exchange's answers. The observer's errors do not reach the client."""
    observer, winners = state.observer, any(isinstance(m, WinnerModel) for m in state.models.all())
    if observer is None or not answers or (winners and not isinstance(model, WinnerModel)):
        return
    questions = [m.content for m in read_messages(body.messages) if m.role == "user"]
    if not questions:
        return
    try:
        observer.observe(questions[-1], _message(answers[0], model.id), seconds, turn=len(questions))
    except Exception as e:
        log.warning("the observer failed: %s", type(e).__name__)


def _message(answer: Answer, model: str) -> AIMessage:
    message = to_result(answer.completion, model).generations[0].message
    assert isinstance(message, AIMessage)
    if answer.passages:
        message.response_metadata["passages"] = list(answer.passages)
    return message
