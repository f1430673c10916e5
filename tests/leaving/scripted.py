"""A chat model that answers from a script, counts what it is asked, and may end."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

_ONE = threading.Lock()


class NotFoundError(Exception):
    """As a provider raises it for a model that it has closed."""

    status_code = 404


class Scripted(BaseChatModel):
    """Says the last word of the question; after `lives` answers the model is gone."""

    lives: int | None = None
    _asked: list[list[BaseMessage]] = PrivateAttr(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def asked(self) -> list[str]:
        """The last turns, in the order asked."""
        return [messages[-1].text for messages in self._asked]

    @property
    def prompts(self) -> Sequence[list[BaseMessage]]:
        return self._asked

    def identity(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        with _ONE:
            if self.lives is not None and len(self._asked) >= self.lives:
                raise NotFoundError("the model has been closed")
            self._asked.append(messages)
        usage = {"input_tokens": 10, "output_tokens": 1, "total_tokens": 11}
        meta = {"model_name": "scripted-2026-01", "system_fingerprint": "fp_7"}
        answer = AIMessage(messages[-1].text.split()[-1], usage_metadata=usage, response_metadata=meta)  # type: ignore[arg-type]
        return ChatResult(generations=[ChatGeneration(message=answer)])
