"""Task: the questions a comparison is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from domainkit.corpus.rows.synthetic import MARK
from domainkit.facts_table import facts_table
from domainkit.messages import JsonObject, Message, said_before

Kind = Literal["label", "answer", "labels", "fields", "text", "calls"]


class Sample(BaseModel):
    """One question."""

    model_config = ConfigDict(frozen=True)

    id: str
    input: str
    target: str
    references: tuple[str, ...]
    """All right answers; the target is the first."""
    system: str | None = None
    turns: tuple[Message, ...] = ()
    """Earlier turns of the conversation, between the system turn and the question."""
    tools: tuple[JsonObject, ...] = ()
    """The tools that may be called: JSON-schema function descriptions in OpenAI's form."""
    conversation: str | None = None
    """Questions of one conversation share it, and count as one cluster."""
    doc_ids: tuple[str, ...] = ()
    """The gold documents, if known."""
    group: str | None = None
    """A part of the questions that the report scores separately: the row's `group`, else its `kind`."""
    meta: JsonObject = {}
    """The row's other fields, which are JSON values."""

    @property
    def content(self) -> str:
        """All of it as JSON, for fingerprints. What a row does not have is left out, so that older rows keep theirs."""
        absent = {name for name in ("turns", "tools", "conversation") if not getattr(self, name)}
        return self.model_dump_json(exclude=absent)

    @property
    def query(self) -> str:
        """The question behind all that was said before it: what retrieval, nearest examples and classical models
        compare."""
        return said_before([*self.turns, Message("user", self.input)])

    @property
    def synthetic(self) -> bool:
        """Whether a model wrote the question, not a person: the row's mark `"synthetic": true`."""
        return self.meta.get(MARK) is True

    @property
    def writer(self) -> str:
        """The model that wrote a synthetic question; "" where the row does not say."""
        return str(self.meta.get("writer") or "") if self.synthetic else ""


class Task(BaseModel):
    """The questions of a comparison."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Kind
    """label: each target is one of `labels`; answer: free short text; labels: a list of them; fields: a JSON object;
    text: long text; calls: tool calls."""
    samples: tuple[Sample, ...]
    labels: tuple[str, ...] = ()
    json_schema: JsonObject | None = None
    """Of the objects that are answers, in a task of the kind fields."""
    fingerprint: str
    """SHA-256 of the rows."""
    source: str = ""
    """The file."""
    why_kind: str = ""
    """How the kind was decided."""
    columns: dict[str, str] = {}
    """Our fields to the file's columns, where they were named."""

    def _repr_html_(self) -> str:
        facts = [("Questions", f"{len(self.samples):,}"), ("Kind", self.kind), ("Why", self.why_kind)]
        facts += [("Labels", f"{len(self.labels):,}: {', '.join(self.labels)}")] if self.labels else []
        facts += [(f"Question {s.id}", f"{s.input}  →  {s.target}") for s in self.samples[:3]]
        return facts_table(f"Task {self.name}", [*facts, ("Source", self.source)])


class Question(Protocol):
    """What has an id and may name its conversation and its documents: a Sample, or an Item of results."""

    @property
    def id(self) -> str: ...

    @property
    def doc_ids(self) -> tuple[str, ...]: ...

    @property
    def conversation(self) -> str | None: ...


def clusters_of(questions: Sequence[Question]) -> list[str] | None:
    """The conversation each question is from, else the document it is about, where several questions share one; None
    where every item stands alone."""
    names = [q.conversation or (q.doc_ids[0] if q.doc_ids else q.id) for q in questions]
    return names if len(set(names)) < len(names) else None
