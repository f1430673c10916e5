"""Example: a solved conversation; its last turn is the assistant's, the one to be learnt."""

from __future__ import annotations

import json
from dataclasses import replace

from pydantic import Field

from domainkit.corpus.location import Located
from domainkit.messages import JsonObject, Message, said_before

Turn = Message
"""The public name of a message of an example."""


class Example(Located):
    """A conversation that ends with the assistant's turn, the one to be learnt."""

    turns: tuple[Message, ...]
    id: str | None = None
    """The row's own id."""
    doc_ids: tuple[str, ...] = ()
    """Ids of the documents that hold the answer, if known."""
    task: str | None = None
    """The task it belongs to, for methods that distinguish tasks."""
    tools: tuple[JsonObject, ...] = ()
    """The tools the assistant may call: JSON-schema function descriptions in OpenAI's form."""
    teacher: str = Field(default="", exclude=True)
    """The model that gave the answer; "" where a person did, or nobody says. Not dumped: it is no part of the
    content."""

    @property
    def prompt(self) -> tuple[Message, ...]:
        return self.turns[:-1]

    @property
    def target(self) -> str:
        """The last turn's text, its calls as JSON, a line each."""
        last = self.turns[-1]
        calls = (json.dumps({"name": c.name, "arguments": c.arguments}, ensure_ascii=False) for c in last.tool_calls)
        return "\n".join([*([last.content] if last.content else []), *calls])

    def with_target(self, text: str) -> Example:
        """The same conversation with another text as its last turn."""
        last = replace(self.turns[-1], content=text, tool_calls=())
        return self if text == self.target else self.model_copy(update={"turns": (*self.prompt, last)})

    @property
    def training_content(self) -> str:
        """Everything that training on the example depends on, as JSON; the training data's fingerprint hashes it."""
        return self.model_dump_json(include={"turns", "task", "tools"}, exclude_defaults=True)

    @property
    def lesson(self) -> str:
        """Another name of `training_content`."""
        return self.training_content

    @property
    def uses_tools(self) -> bool:
        return bool(self.tools) or any(turn.role == "tool" or turn.tool_calls for turn in self.turns)

    @property
    def question(self) -> str:
        """The last user turn's text ("" when there is none)."""
        return next((t.content for t in reversed(self.prompt) if t.role == "user"), "")

    @property
    def query(self) -> str:
        """The question behind all that was said before it: what retrieval, nearest examples and classical models
        compare."""
        return said_before(self.prompt)
