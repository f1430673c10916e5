"""What a server or a program tells about each answer it gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage


class Observer(Protocol):
    """Gets every answer, from any thread. It returns at once and never raises: answers do not wait for it."""

    def observe(
        self, question: str, answer: AIMessage, seconds: float, *, conversation: str | None = None, turn: int = 1
    ) -> None:
        """`question` is the user's last message alone, without passages or examples; `answer` as the chain gave it,
        with `response_metadata["passages"]` where it retrieved; `seconds` the time that the answer took.

        `turn` is 1 for the first question of a conversation, as the number of user messages tells; `conversation`
        names it, where the caller knows a name. Later turns depend on the first, and are not counted again.
        """

    def close(self) -> None:
        """Write what has not been written yet. Called once, when the server stops."""
