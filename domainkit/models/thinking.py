"""How a base thinks before it answers, as an option: off, on, or on with at most so many tokens of reasoning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from domainkit.errors import ConfigError
from domainkit.messages import JsonObject

THINKING = "enable_thinking"
"""The option that lets the model think before it answers. Off, unless it is given or `reasoning_effort` is."""
SWITCHES = (THINKING, "thinking")
"""Its names in templates."""


def _words(value: object) -> object:
    """true and false, as run files have them; a number that stands as text."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return int(value) if isinstance(value, str) and value.isdecimal() else value


ThinkingChoice = Annotated[Literal["off", "on"] | Annotated[int, Field(ge=1)], BeforeValidator(_words)]
"""A number is a budget: reasoning is closed after so many tokens, so that the answer follows."""


def thinking_option(choice: ThinkingChoice | None) -> JsonObject:
    """The choice as an option of the chat template; none where nothing is chosen."""
    return {} if choice is None else {THINKING: choice != "off"}


def thinking_budget(choice: ThinkingChoice | None) -> int | None:
    """Most tokens of reasoning; None without a limit."""
    return choice if isinstance(choice, int) else None


def refuse_two_switches(choice: ThinkingChoice | None, options: Mapping[str, object], where: str) -> None:
    """Raises ConfigError where the template's own switch among `options` says otherwise than the choice."""
    if choice is None:
        return
    other = next((name for name in SWITCHES if name in options), None)
    if other is not None and bool(options[other]) != (choice != "off"):
        what = f"thinking={choice} and {other}={options[other]} contradict each other"
        raise ConfigError(what, where=where, next_step="give one of them")
