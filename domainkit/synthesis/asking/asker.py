"""Ask one model many requests at once; each reply is kept on disk as it comes, and paid for once."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from domainkit.comparison.asking.call_runnable import read_usage
from domainkit.errors import DomainkitError
from domainkit.evaluation.answers_on_disk import Row, RowStore
from domainkit.llm.named_model import NamedModel
from domainkit.llm.provider_errors import described, meaning_of, stopping, wait_before
from domainkit.messages import JsonObject
from domainkit.synthesis.asking.requests import BYTES_A_TOKEN, Request
from domainkit.synthesis.budget import Budget, Cost, TokenPrice

ATTEMPTS = 5
"""Of one request, where the provider is busy or not reached."""
FIRST_WAIT = 1.0
"""Seconds before the second attempt; each further one waits twice as long."""
GIVE_UP = 3
"""Requests in a row that may fail before the run stops: nothing but failures would follow. A refusal of a request by
itself counts only until there is a reply: then the others are none of its business."""
_SERVER_ROOM = 4
"""Times the expected length that a server may write."""
_LONGEST_VERSION = 200
"""Characters that are kept of what a provider calls its model."""
_CUT_OFF = frozenset(("length", "max_tokens", "max_output_tokens", "model_length"))
_REASONS = ("finish_reason", "stop_reason", "done_reason")
"""What providers call the reason why a reply ended."""


class Limiter(Protocol):
    """LangChain's rate limiter."""

    def acquire(self, *, blocking: bool = True) -> bool: ...


@dataclass(frozen=True, slots=True)
class Reply:
    text: str
    cut_off: bool


@dataclass
class Asker:
    """One model in one role: "writer", "judge" or "base"."""

    role: str
    model: NamedModel
    price: TokenPrice
    store: RowStore
    budget: Budget
    max_concurrency: int = 8
    limiter: Limiter | None = None
    follow_up: Cost = field(default_factory=Cost)
    """What the checks of one reply may cost: room for them is held, so that no reply stays unchecked."""
    failures: list[str] = field(default_factory=list)
    """Requests that got no reply: what the provider said."""
    estimated: int = 0
    """Replies for which the provider reported no tokens."""
    from_disk: int = 0
    """Replies that an earlier run had paid for."""

    def __post_init__(self) -> None:
        self._kept = self.store.finished(self.model.key)
        self._early = frozenset(self._kept)
        self._closed = False
        self._seen: set[str] = set()
        self._write = threading.Lock()
        self._stop = threading.Event()
        self._failed_in_a_row = 0

    @property
    def used(self) -> list[Row]:
        """The replies to everything that this run has asked, those on disk too."""
        return [self._kept[digest] for digest in self._seen]

    def close(self) -> None:
        """Ask no more: from now on only the replies on disk count."""
        self._closed, self._kept = True, self.store.finished(self.model.key)

    def ask(self, requests: Sequence[Request]) -> list[Reply | None]:
        """Each request's reply, in order; None where the budget ended before it, or the provider failed for it alone.

        Raises DomainkitError where the provider cannot be asked at all; the replies that came stay on disk.
        """
        for request in requests:
            if request.digest in self._kept:
                self.from_disk += request.digest in self._early and request.digest not in self._seen
                self._charge(request, self._kept[request.digest])
        todo = list({r.digest: r for r in requests if r.digest not in self._kept}.values())
        asked = len({r.digest for r in requests}) - len(todo)
        while todo and not self._closed:
            room = self.budget.room_for(self._estimates(todo), self.follow_up * asked)
            if self.budget.counts_tokens and not self._seen:
                room = min(room, 1)  # the first reply shows how much this model writes: one that reasons, more
            if not room:
                break
            self._ask_at_once(todo[:room])
            todo, asked = todo[room:], asked + room
        return [self._reply(self._kept.get(r.digest)) for r in requests]

    def _estimates(self, requests: Sequence[Request]) -> list[Cost]:
        """What each may cost: as expected, or as the replies so far in the mean, where that is more."""
        spent = self.budget.spent.get(self.role, Cost())
        read, written = (n // max(1, spent.calls) for n in (spent.input_tokens, spent.output_tokens))
        costs = (self.price.of(max(r.input_tokens, read), max(r.output_tokens, written)) for r in requests)
        return [cost + self.follow_up for cost in costs]

    def _ask_at_once(self, requests: Sequence[Request]) -> None:
        last: Exception | None = None
        with self._pool(len(requests)) as pool:
            futures: dict[Future[Row], Request] = {pool.submit(self._call, r): r for r in requests}
            for future in as_completed(futures):
                try:
                    row = future.result()
                except Exception as e:
                    if self._ends_the_run(e):
                        last = e
                        break
                    continue
                self._failed_in_a_row = 0
                self._kept[row.question] = row
        if last is not None:
            kept = len(self.store.finished(self.model.key))  # those that were under way, too
            raise stopping(self.role, self.model.name, last, kept, self.store.path) from last
        # In the requests' order, not in that of the replies: sums of money do not depend on who was first.
        for request in requests:
            if request.digest in self._kept:
                self._charge(request, self._kept[request.digest])

    @contextmanager
    def _pool(self, requests: int) -> Iterator[ThreadPoolExecutor]:
        """Threads for calls. When it ends early, what is under way is still waited for and kept: it is paid for."""
        pool = ThreadPoolExecutor(min(requests, self.max_concurrency), thread_name_prefix=f"domainkit-{self.role}")
        try:
            yield pool
        finally:
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            self._stop.clear()

    def _ends_the_run(self, error: Exception) -> bool:
        """Whether the provider cannot be asked at all; else the failure is counted."""
        self._failed_in_a_row += 1
        meaning = meaning_of(error)
        if meaning == "stop" or (self._failed_in_a_row >= GIVE_UP and (meaning == "again" or not self._kept)):
            return True
        self.failures.append(described(error))
        return False

    def _call(self, request: Request) -> Row:
        """In a thread: one reply, tried again where that helps, and written to disk."""
        for attempt in range(ATTEMPTS):
            if self.limiter is not None:
                self.limiter.acquire(blocking=True)
            start = time.perf_counter()
            try:
                row = self._row(request, self._reply_of(request), time.perf_counter() - start)
            except Exception as e:
                last = attempt == ATTEMPTS - 1 or isinstance(e, DomainkitError) or meaning_of(e) != "again"
                if last or self._stop.wait(wait_before(e, attempt, FIRST_WAIT)):
                    raise
                continue
            with self._write:
                self.store.append([row])
            return row
        raise AssertionError("unreachable")  # the last attempt returns or raises

    # Any: whatever the model returns.
    def _reply_of(self, request: Request) -> Any:
        return self.model.llm.invoke(list(request.messages), **self._options(request))

    def _options(self, request: Request) -> JsonObject:
        """Settings that domainkit's own models take; other models keep theirs."""
        if not self.model.is_own:
            return {}
        if not self.model.is_local:
            # A server may not hold its answers to a schema, or think before them; the filters read what comes.
            return {"max_tokens": _SERVER_ROOM * request.output_tokens}
        form: JsonObject = {"choices": list(request.choices)} if request.choices else {}
        if request.schema is not None:
            form = {"json_schema": request.schema}
        return {"max_tokens": request.output_tokens, **form}

    # `message` is whatever the model returned.
    def _row(self, request: Request, message: Any, seconds: float) -> Row:
        meta = getattr(message, "response_metadata", None) or {}
        text = self._text(request, message)
        cut_off = any(str(meta.get(name) or "").lower() in _CUT_OFF for name in _REASONS)
        row = Row(
            key=self.model.key,
            variant=self.role,
            id=request.digest,
            question=request.digest,
            text=json.dumps({"text": text, "cut_off": cut_off}, ensure_ascii=False),
            seconds=seconds,
            model_version=version_of(meta),
            asked=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        return row.model_copy(update=read_usage(getattr(message, "usage_metadata", None) or {}))

    def _text(self, request: Request, message: Any) -> str:
        text = getattr(message, "text", message)
        return str(text() if callable(text) and not isinstance(text, str) else text)

    def _charge(self, request: Request, row: Row) -> None:
        """Once a request, whether it was answered now or in an earlier run."""
        if request.digest in self._seen:
            return
        self._seen.add(request.digest)
        read, written, cached = row.prompt_tokens, row.completion_tokens, row.cached_tokens or 0
        if read is None or written is None:
            self.estimated += 1
            reply = self._reply(row)
            read, written = request.input_tokens, len(reply.text.encode()) // BYTES_A_TOKEN if reply else 0
            cached = 0
        self.budget.charge(self.role, self.price.of(read, written, cached))

    def _reply(self, row: Row | None) -> Reply | None:
        return Reply(**json.loads(row.text)) if row is not None else None


def version_of(meta: JsonObject) -> str:
    """The model's version as the provider reports it beside a reply: its name, and the fingerprint of its system."""
    name = next((str(meta[key]) for key in ("model_name", "model") if meta.get(key)), "")
    return " ".join(filter(None, (name, str(meta.get("system_fingerprint") or ""))))[:_LONGEST_VERSION]
