"""Models of other machines: several questions at once, each tried again where that helps, each answer kept as it comes.

A killed run loses only the answers that were on their way.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from domainkit.comparison.asking.as_they_come import Keep
from domainkit.comparison.asking.call_runnable import EndedError, now, question_of, row_of
from domainkit.comparison.asking.spending import Spending
from domainkit.errors import FOREIGN_ERRORS
from domainkit.evaluation.task import Sample
from domainkit.evaluation.variant import Answerer
from domainkit.llm.provider_errors import described, meaning_of, wait_before

ATTEMPTS = 5
"""For one question, where the provider is busy or not reached."""
FIRST_WAIT = 1.0
"""Seconds before the second attempt; each further one waits twice as long, or as long as the provider asks for."""
OUT_OF_REACH = 3
"""Questions in a row that no attempt brought an answer to: nothing but failures would follow."""
ALL_REFUSED = 5
"""Questions refused in a row where none was ever answered: what all requests have in common is wrong."""


class _Said(NamedTuple):
    """What came of one question."""

    output: object
    """The Runnable's, or its error."""
    seconds: float
    """Of the last attempt."""


@dataclass
class OneByOne:
    """Asks the questions of one variant, whose model does not run in this process."""

    name: str
    key: str
    concurrency: int
    """Most questions under way at once."""
    spending: Spending
    answered: bool = False
    """Whether there is an answer already, from an earlier run or this one."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _lost: int = 0
    """Questions in a row without an answer."""

    def __call__(self, runnable: Answerer, todo: Mapping[str, Sample], keep: Keep) -> None:
        """Ask the questions of `todo`, which are there by their digests, and give each row to `keep` as it comes. Where
        the budget does not allow the next question, the rest is left.

        Raises EndedError where the provider cannot be asked at all. What is under way is then still kept, and so it is
        when the user stops the run: it is paid for.
        """
        waiting, flying = deque(todo), dict[Future[_Said], str]()
        pool = ThreadPoolExecutor(min(self.concurrency, len(todo)), thread_name_prefix="domainkit-ask")
        try:
            while waiting or flying:
                while waiting and len(flying) < self.concurrency and self.spending.has_room(self.key, len(flying)):
                    digest = waiting.popleft()
                    flying[pool.submit(self._ask, runnable, todo[digest])] = digest
                if not flying:
                    break  # the budget is spent
                done, _ = wait(flying, return_when=FIRST_COMPLETED)
                for future in done:
                    self._take(flying.pop(future), future.result(), todo, keep)
        finally:
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            self._stop.clear()
            late = {digest: f.result() for f, digest in flying.items() if not f.cancelled()}
            for digest, said in late.items():
                if not isinstance(said.output, FOREIGN_ERRORS):
                    with suppress(EndedError):  # of the budget, which ends anyhow
                        self._keep(digest, said, todo, keep)

    def _ask(self, runnable: Answerer, sample: Sample) -> _Said:
        """In a thread: what the model says, tried again where that helps."""
        question, attempt = question_of(sample), 0
        while True:
            start = time.perf_counter()
            try:
                return _Said(runnable.invoke(question), time.perf_counter() - start)
            except FOREIGN_ERRORS as e:
                said, attempt = _Said(e, time.perf_counter() - start), attempt + 1
                again = attempt < ATTEMPTS and isinstance(e, Exception) and meaning_of(e) == "again"
                if not again or self._stop.wait(wait_before(e, attempt - 1, FIRST_WAIT)):
                    return said

    def _take(self, digest: str, said: _Said, todo: Mapping[str, Sample], keep: Keep) -> None:
        self._keep(digest, said, todo, keep)
        if not isinstance(said.output, FOREIGN_ERRORS):
            self._lost, self.answered = 0, True
            return
        self._lost += 1
        meaning = meaning_of(said.output) if isinstance(said.output, Exception) else "skip"
        refused = meaning == "skip" and not self.answered and self._lost >= ALL_REFUSED
        if meaning == "stop" or refused or (meaning == "again" and self._lost >= OUT_OF_REACH):
            raise EndedError(described(said.output))

    def _keep(self, digest: str, said: _Said, todo: Mapping[str, Sample], keep: Keep) -> None:
        row = row_of(self.name, self.key, todo[digest], said.output, said.seconds)
        keep({digest: row.model_copy(update={"asked": now()})})
        if row.error is None:
            self.spending.charge(self.key, row)
