"""Layouts of rows: what each tool calls the same things. One table entry each.

A layout is recognised by its fields alone. Its function writes a row in one of domainkit's own three forms, which
`domainkit.corpus.rows.turns` reads:

    {"input": ..., "target": ...}
    {"prompt": text or messages, "completion": text or messages}
    {"messages": [{"role": ..., "content": ...}, ...]}          # the last is the assistant's
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from domainkit.corpus.rows.layouts.alpaca import from_alpaca, from_dolly
from domainkit.corpus.rows.layouts.conversations import from_conversations
from domainkit.corpus.rows.layouts.preferences import from_alpaca_pair, from_openai_pair, from_sharegpt_pair
from domainkit.messages import JsonObject

PAIRS, MARKED = "pairs", "marked answers"
Rewrite = Callable[[JsonObject], JsonObject]
"""A row in a layout, written in one of domainkit's own forms; fields that the layout does not have stay as they are.
Raises RowError."""


class Layout(NamedTuple):
    """How one tool lays out its rows."""

    name: str
    fields: tuple[str, ...]
    """All must be there."""
    rewrite: Rewrite
    optional: tuple[str, ...] = ()
    """Read, too, where they are there."""
    kind: str = "examples"
    """examples, pairs or marked answers."""
    labels: str | None = None
    """The field that holds a class label, whose numbers have names."""
    ours: tuple[tuple[str, str], ...] = ()
    """Fields that become one of ours as they are: (the layout's name, ours)."""


def _renamed(name: str, kind: str = "examples", **names: str) -> Layout:
    """A layout that calls our fields otherwise: `_renamed("question and answer", question="input", answer="target")`.
    Its other fields are called as ours."""

    def rewrite(row: JsonObject) -> JsonObject:
        return {names.get(field, field): value for field, value in row.items()}

    rest = {"examples": (), PAIRS: ("chosen", "rejected"), MARKED: ("label",)}[kind]
    return Layout(name, (*names, *rest), rewrite, kind=kind, ours=tuple(names.items()))


def _unchanged(row: JsonObject) -> JsonObject:
    return row


def _with_label_names(row: JsonObject) -> JsonObject:
    """`text` and `label`; `label_text` has the name where the label is a number."""
    target = row["label"] if row.get("label_text") in (None, "") else row["label_text"]
    rest = {name: value for name, value in row.items() if name not in ("text", "label", "label_text")}
    return {"input": row["text"], "target": target, **rest}


LAYOUTS: tuple[Layout, ...] = (
    Layout("messages", ("messages",), from_conversations("messages"), ("functions",)),
    Layout("prompt and completion", ("prompt", "completion"), _unchanged),
    Layout("input and target", ("input", "target"), _unchanged),
    _renamed("input and output", input="input", output="target"),
    _renamed("question and answer", question="input", answer="target"),
    _renamed("query and response", query="input", response="target"),
    _renamed("prompt and response", prompt="prompt", response="completion"),
    Layout(
        "text and label",
        ("text", "label"),
        _with_label_names,
        ("label_text",),
        labels="label",
        ours=(("text", "input"), ("label", "target")),
    ),
    Layout("Alpaca", ("instruction", "output"), from_alpaca, ("input", "history"), ours=(("output", "target"),)),
    Layout("Dolly", ("instruction", "response"), from_dolly, ("context",), ours=(("response", "target"),)),
    Layout("ShareGPT", ("conversations",), from_conversations("conversations")),
    Layout("conversation", ("conversation",), from_conversations("conversation")),
    Layout("pairs", ("prompt", "chosen", "rejected"), _unchanged, kind="pairs"),
    _renamed("pairs", PAIRS, input="prompt"),
    _renamed("pairs", PAIRS, question="prompt"),
    Layout("pairs without a prompt", ("chosen", "rejected"), _unchanged, kind="pairs"),
    Layout("pairs of Alpaca", ("instruction", "chosen", "rejected"), from_alpaca_pair, ("input",), "pairs"),
    Layout("pairs of ShareGPT", ("conversations", "chosen", "rejected"), from_sharegpt_pair, (), "pairs"),
    Layout("pairs of OpenAI", ("input", "preferred_output", "non_preferred_output"), from_openai_pair, (), "pairs"),
    *(
        _renamed(MARKED, MARKED, **{asked: "prompt", said: "completion"})
        for asked in ("prompt", "input")
        for said in ("completion", "answer")
    ),
)

COMMON = ("system", "tools", "id", "doc_ids", "task", "references", "group", "kind")
"""Fields that every layout may have."""
FIELDS = frozenset(name for layout in LAYOUTS for name in (*layout.fields, *layout.optional)) | set(COMMON)
"""All names of fields that a layout reads."""


def candidates(names: frozenset[str], kind: str, mapped: frozenset[str] = frozenset()) -> list[Layout]:
    """The layouts of a kind that rows with fields of these names fit, with every field of `mapped` used. One whose
    fields another layout reads, too, is left out: Alpaca reads "input" and "output"."""
    needed = mapped - set(COMMON)
    fitting = [
        layout
        for layout in LAYOUTS
        if layout.kind == kind and names.issuperset(layout.fields) and needed <= {*layout.fields, *layout.optional}
    ]
    return [one for one in fitting if not any(_covers(other, one) for other in fitting if other is not one)]


def _covers(larger: Layout, smaller: Layout) -> bool:
    fields, others = {*larger.fields, *larger.optional}, set(smaller.fields)
    return others <= fields and len(fields) > len(others) and not set(larger.fields) <= others
