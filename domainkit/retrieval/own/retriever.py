"""OwnRetriever: a retriever of the user's own, whose passages are checked, named and cut to the prompt's number."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from textwrap import shorten
from typing import Any, TypeVar

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document as Passage
from langchain_core.retrievers import BaseRetriever
from pydantic import Field, PrivateAttr

from domainkit.errors import FOREIGN_ERRORS, ConfigError, DomainkitError, MachineError, first_line
from domainkit.retrieval.own.passage_ids import id_of

log = logging.getLogger("domainkit")
MOST_CHARACTERS = 1_000_000
"""Of all passages of one question: more is longer than the context of any model, and most likely a whole store."""
T = TypeVar("T")


class OwnRetriever(BaseRetriever):
    """The first `k` passages that `inner` finds. Each has an id that is the same in every run (`id_of`).

    Raises MachineError for whatever `inner` raises, and ConfigError for what is no list of Documents or is too long.
    One that only searches asynchronously is called on an event loop of its own thread.
    """

    inner: BaseRetriever
    name: str
    """What reports and errors call it: module:function, else its class."""
    spec: str = ""
    """module:function that makes it; "" where it was given ready."""
    identity: str | None = None
    """Digest of its code and settings; None where these cannot be read."""
    k: int = Field(default=3, ge=1)
    """Passages to return; fewer where it finds fewer."""
    gold: frozenset[str] = frozenset()
    """The document ids that the task's questions name."""

    _only_async: bool = PrivateAttr(default=False)
    _loop: _Loop = PrivateAttr(default_factory=lambda: _Loop())
    _noted: set[str] = PrivateAttr(default_factory=set)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Passage]:
        callbacks: Any = {"callbacks": run_manager.get_child()}
        try:
            if not self._only_async:
                try:
                    return self._checked(self.inner.invoke(query, callbacks), query)
                except NotImplementedError:
                    self._only_async = True
            return self._checked(self._loop.result(self.inner.ainvoke(query, callbacks)), query)
        except DomainkitError:
            raise
        except FOREIGN_ERRORS as e:
            raise self._failed(e, query) from e

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Passage]:
        try:
            return self._checked(await self.inner.ainvoke(query, {"callbacks": run_manager.get_child()}), query)
        except DomainkitError:
            raise
        except FOREIGN_ERRORS as e:
            raise self._failed(e, query) from e

    def _failed(self, error: BaseException, query: str) -> MachineError:
        what = f"raised {type(error).__name__}: {first_line(error)}"
        next_step = f"call its invoke({_short(query)!r}) alone, which shows where it fails"
        return MachineError(what, where=f"retriever {self.name}", next_step=next_step)

    def _checked(self, found: object, query: str) -> list[Passage]:
        """The first k, in their order. `found` comes from code of the user's own: it may be anything."""
        if not isinstance(found, list | tuple) or not all(isinstance(p, Passage) for p in found):
            raise self._wrong(f"gave {_kind(found)} and no list of Documents", query)
        passages = list(found[: self.k])
        size = sum(len(p.page_content) + len(_title(p)) for p in passages)
        if size > MOST_CHARACTERS:
            what = f"gave {size:,} characters to one question, and {MOST_CHARACTERS:,} are the most that is read"
            raise self._wrong(what, query)
        if len(found) != self.k:
            self._note(len(found))
        return [self._named(p) for p in passages]

    def _named(self, passage: Passage) -> Passage:
        name = _whole(id_of(passage, self.gold))
        metadata = {**passage.metadata, "id": name, "title": _title(passage)}
        return Passage(id=name, page_content=_whole(passage.page_content), metadata=metadata)

    def _wrong(self, what: str, query: str) -> ConfigError:
        next_step = "let it return a short list of langchain_core.documents.Document, a passage each"
        return ConfigError(f"{what} (asked: {_short(query)!r})", where=f"retriever {self.name}", next_step=next_step)

    def _note(self, count: int) -> None:
        """Once for more than k and once for fewer: the prompts differ from what `passages` says."""
        kind = "more" if count > self.k else "fewer"
        if kind in self._noted:
            return
        self._noted.add(kind)
        used = f"the first {self.k} are used" if kind == "more" else "its prompt has only these"
        log.warning(
            "retriever %s: gave %d passages to a question, and passages=%d: %s; this is said once",
            self.name,
            count,
            self.k,
            used,
        )


class _Loop:
    """An event loop in a thread of its own, made when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def result(self, task: Coroutine[Any, Any, T]) -> T:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="retriever", daemon=True).start()
        waiting: Future[T] = asyncio.run_coroutine_threadsafe(task, self._loop)
        return waiting.result()


def _title(passage: Passage) -> str:
    title = passage.metadata.get("title")
    return "" if title is None else _whole(str(title))


def _whole(text: str) -> str:
    """Half of a surrogate pair has no UTF-8, and no token: it becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _kind(found: object) -> str:
    if isinstance(found, list | tuple):
        odd = next(p for p in found if not isinstance(p, Passage))
        return f"a list of {type(odd).__name__}"
    return type(found).__name__


def _short(text: str) -> str:
    return shorten(text, 60, placeholder=" …")
