"""Example: a solved conversation; its last turn is the assistant's, the one to be learnt."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["system", "user", "assistant"]


class Turn(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(frozen=True)

    role: Role
    content: str


class Example(BaseModel):
    """`turns` end with the assistant's; `source` is `path:line`; `id` is the row's own, or None; `doc_ids` the documents that hold
    the answer, if known; `task` the one it is of, for methods that tell tasks apart."""

    model_config = ConfigDict(frozen=True)

    turns: tuple[Turn, ...]
    source: str = ""
    id: str | None = None
    doc_ids: tuple[str, ...] = ()
    task: str | None = None

    @property
    def prompt(self) -> tuple[Turn, ...]:
        return self.turns[:-1]

    @property
    def target(self) -> str:
        return self.turns[-1].content

    @property
    def question(self) -> str:
        """The last user turn's text ("" when there is none): what retrieval and nearest examples compare."""
        return next((t.content for t in reversed(self.prompt) if t.role == "user"), "")
