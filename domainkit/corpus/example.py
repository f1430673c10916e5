"""Example: a solved conversation; its last turn is the assistant's, the one to be learnt."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["system", "user", "assistant", "tool"]


class Call(BaseModel):
    """The assistant's call of a tool; `id` is what the tool's turn names."""

    model_config = ConfigDict(frozen=True)

    name: str
    arguments: dict[str, Any]
    id: str


class Turn(BaseModel):
    """One message of a conversation; `tool_calls` are the assistant's, `tool_call_id` and `name` a tool's."""

    model_config = ConfigDict(frozen=True)

    role: Role
    content: str
    tool_calls: tuple[Call, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None


class Example(BaseModel):
    """`turns` end with the assistant's; `source` is `path:line`; `id` is the row's own, or None; `doc_ids` the documents that hold
    the answer, if known; `task` the one it is of, for methods that tell tasks apart; `tools` are the JSON-schema function
    descriptions (OpenAI form) that the assistant may call."""

    model_config = ConfigDict(frozen=True)

    turns: tuple[Turn, ...]
    source: str = ""
    id: str | None = None
    doc_ids: tuple[str, ...] = ()
    task: str | None = None
    tools: tuple[dict[str, Any], ...] = ()

    @property
    def prompt(self) -> tuple[Turn, ...]:
        return self.turns[:-1]

    @property
    def target(self) -> str:
        """The last turn's text, its calls as JSON, a line each."""
        last = self.turns[-1]
        calls = (json.dumps({"name": c.name, "arguments": c.arguments}, ensure_ascii=False) for c in last.tool_calls)
        return "\n".join([*([last.content] if last.content else []), *calls])

    @property
    def lesson(self) -> str:
        """All that training on it depends on, as JSON: what a fingerprint of training data is made of."""
        return self.model_dump_json(include={"turns", "task", "tools"}, exclude_defaults=True)

    @property
    def uses_tools(self) -> bool:
        return bool(self.tools) or any(turn.role == "tool" or turn.tool_calls for turn in self.turns)

    @property
    def question(self) -> str:
        """The last user turn's text ("" when there is none): what retrieval and nearest examples compare."""
        return next((t.content for t in reversed(self.prompt) if t.role == "user"), "")
