"""A writer that writes what its script says, and one that makes a faultless row of each sentence."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from domainkit import Document
from domainkit.corpus.document import Mark
from domainkit.synthesis.candidate import Candidate
from domainkit.synthesis.documents.quotes import find_quote
from domainkit.synthesis.documents.sections import sections_of
from domainkit.synthesis.filters import FILTERS, Context

Script = Callable[[str], "str | AIMessage | BaseException"]
"""The request's text to the reply."""


class Scripted(BaseChatModel):
    """Deterministic; counts its calls, and reports 100 tokens read and 50 written for each."""

    name: str = "scripted"
    interrupt_after: int | None = None
    """Ctrl-C at this call."""
    _script: Script = PrivateAttr()
    _calls: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    def __init__(self, script: Script, **fields: Any) -> None:
        super().__init__(**fields)
        self._script = script

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def calls(self) -> list[list[BaseMessage]]:
        return self._calls

    def identity(self) -> str:
        return self.name or ""

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        with self._lock:
            self._calls.append(messages)
            if self.interrupt_after is not None and len(self._calls) > self.interrupt_after:
                raise KeyboardInterrupt
        reply = self._script(messages[-1].text)
        if isinstance(reply, BaseException):
            raise reply
        if isinstance(reply, str):
            reply = AIMessage(reply)
        usage = {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150}
        counted = reply if reply.usage_metadata else reply.model_copy(update={"usage_metadata": usage})
        return ChatResult(generations=[ChatGeneration(message=counted)])


def rows(*items: dict[str, Any]) -> str:
    return json.dumps({"rows": list(items)}, ensure_ascii=False)


def row(quote: str, answer: str, question: str) -> dict[str, Any]:
    return {"quote": quote, "answer": answer, "question": question}


def section_of(request: str) -> str:
    """The section as the writer sees it."""
    found = re.search(r"^(\w{16}) SECTION\n(.*?)\n\1 END$", request, re.DOTALL | re.MULTILINE)
    assert found, request
    return found[2]


def asked_for(request: str) -> int:
    found = re.search(r"^Write (\d+) rows? from this section", request, re.MULTILINE)
    assert found, request
    return int(found[1])


def perfect(request: str) -> str:
    """For each sentence not asked about yet: its number is the answer."""
    section = section_of(request)
    made = []
    for sentence in re.split(r"(?<=[.!?])\s+", section):
        match = re.fullmatch(r"The (\w+) of the (\w+) costs (\d+) crowns\.", sentence)
        if match:
            question = f"How many crowns does the {match[1]} of the {match[2]} cost?"
            if question not in request:
                made.append(row(sentence, f"{match[3]} crowns", question))
    return rows(*made[: asked_for(request)])


THINGS = ("lamp", "gate", "rope", "sail", "kettle", "ladder", "saddle", "basket", "mirror", "anchor")


def price_list(owner: str, number: int, count: int = 4) -> str:
    """Sentences with a price each, different in every document."""
    prices = (f"The {thing} of the {owner} costs {100 * number + i} crowns." for i, thing in enumerate(THINGS[:count]))
    return " ".join(prices)


def documents(owners: Sequence[str] = ("miller", "smith", "baker", "weaver", "tanner", "cooper")) -> list[Document]:
    return [
        Document(
            id=owner,
            source=f"{owner}.pdf",
            title=f"Prices of the {owner}",
            text=price_list(owner, number),
            marks=(Mark(start=0, page=number + 2, headings=("Prices",)),),
        )
        for number, owner in enumerate(owners, start=1)
    ]


def candidate(question: str, answer: str = "£4", quote: str = "A locker costs £4 a week.", text: str = "") -> Candidate:
    """As `make` would have it, from a document of `text`, else of the quote."""
    document = Document(id="lockers", source="lockers.md", text=text or quote)
    [section, *_] = sections_of([document])
    return Candidate(section, question, answer, quote, find_quote(quote, document.text))


def kind(name: str, *candidates: Candidate, context: Context | None = None) -> list[str]:
    """The kind for which the filter drops each; "" where it lets it pass."""
    return [reason.kind if reason else "" for reason in FILTERS.load(name)(candidates, context or Context())]
