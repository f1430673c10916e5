"""A provider's model thinks as its class allows, and what it does not take is named."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from domainkit.comparison.planning.model_settings import room_to_think, with_thinking


class Google(FakeListChatModel):
    thinking_budget: int | None = None


class Anthropic(FakeListChatModel):
    thinking: dict[str, Any] | None = None


class Ollama(FakeListChatModel):
    reasoning: bool | None = None
    num_predict: int | None = None


@pytest.mark.parametrize(
    ("kind", "choice", "field", "value", "said"),
    [
        (Google, "off", "thinking_budget", 0, ""),
        (Google, "on", "thinking_budget", -1, ""),
        (Google, 64, "thinking_budget", 64, ""),
        (Anthropic, "off", "thinking", {"type": "disabled"}, ""),
        (Anthropic, 2048, "thinking", {"type": "enabled", "budget_tokens": 2048}, ""),
        (Anthropic, "on", "thinking", None, "not used by the model gpt: a Anthropic takes it as a number of tokens"),
        (Ollama, "off", "reasoning", False, ""),
        (Ollama, 64, "reasoning", True, "the model gpt reasons, and takes no number of tokens"),
        (FakeListChatModel, 64, "sleep", None, "thinking=64 is not used by the model gpt: a FakeListChatModel has no"),
    ],
)
def test_the_setting_of_its_class(
    kind: Any, choice: Any, field: str, value: object, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = with_thinking(kind(responses=["x"]), choice, "gpt")
    assert getattr(made, field) == value
    assert (said in caplog.text) if said else not caplog.text


def test_a_budget_gets_room_beside_the_answer() -> None:
    assert [room_to_think(choice) for choice in (None, "off", "on", 64)] == [0, 0, 0, 80]
