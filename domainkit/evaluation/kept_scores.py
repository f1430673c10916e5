"""Scores that cost something, such as a judge's grades: each is asked for once, also by a run that was killed."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from domainkit import progress
from domainkit.errors import MachineError
from domainkit.evaluation.answers_on_disk import Progress, Row, RowStore
from domainkit.evaluation.identity import identity_of
from domainkit.evaluation.task import Sample
from domainkit.storage import sha256_json

if TYPE_CHECKING:
    from domainkit.evaluation.metrics import BatchMetric

log = logging.getLogger("domainkit")
BLOCK = 16
"""Answers scored together. A kill loses at most these."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request brought: a score, or None where the reply holds none, and the tokens that were paid for."""

    value: float | None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What a metric's scores took, those of earlier runs included."""

    scores: int
    """Different answers that it was asked about."""
    asked: int
    """Those asked in this run; the others were on disk."""
    unreadable: int
    """Replies that hold no score."""
    failed: int
    """Requests without a reply."""
    prompt_tokens: int | None
    """None where no reply says it."""
    completion_tokens: int | None
    seconds: float


class KeptScores:
    """A batch metric that scores the same answer to the same question once: a race and the learning curves score again.

    With a `file` also other runs do not ask again, as long as the metric's code and settings are the same. Its
    attribute `identity`, where it has one, stands for these.
    """

    def __init__(self, metric: BatchMetric, file: Path | None = None, on_progress: Progress | None = None) -> None:
        self.metric, self.name, self.file = metric, metric.name, file
        self._report = on_progress or progress.report
        self._scores: dict[str, float | None] = {}
        self._rows: list[Row] = []
        self._asked = 0
        self._failed: set[str] = set()
        declared = getattr(metric, "identity", None)
        self._key = (str(declared) if declared else identity_of(metric)) if file else None
        if file and self._key is None:
            log.warning(
                "%s: its scores are not kept on disk, since its code and settings cannot be read: the next run asks "
                "for them again; judge(…, identity=…), or an attribute `identity`, says what tells it from others",
                self.name,
            )

    def many(self, samples: Sequence[Sample], answers: Sequence[str]) -> list[float | None]:
        """Raises MachineError where the metric fails for everything it is asked."""
        pairs = {_digest(s, a): (s, a) for s, a in zip(samples, answers, strict=True)}
        if new := {k: pair for k, pair in pairs.items() if k not in self._scores}:
            with self._store() as store:
                self._ask(new, store)
        return [self._scores[_digest(s, a)] for s, a in zip(samples, answers, strict=True)]

    def spent(self) -> Spent:
        """What the scores that were asked for so far took."""
        read = [r.prompt_tokens for r in self._rows if r.prompt_tokens is not None]
        written = [r.completion_tokens for r in self._rows if r.completion_tokens is not None]
        return Spent(
            scores=len(self._scores),
            asked=self._asked,
            unreadable=sum(json.loads(r.text) is None for r in self._rows),
            failed=len(self._failed),
            prompt_tokens=sum(read) if read else None,
            completion_tokens=sum(written) if written else None,
            seconds=sum(r.seconds or 0.0 for r in self._rows),
        )

    def _ask(self, pairs: Mapping[str, tuple[Sample, str]], store: RowStore | None) -> None:
        kept = store.finished(self._key or "") if store else {}
        self._take([kept[k] for k in pairs if k in kept])
        todo = [k for k in pairs if k not in kept]
        failures: list[Exception] = []
        for block in _blocks(todo):
            rows, failed = self._ask_block({k: pairs[k] for k in block})
            failures += failed.values()
            if len(failures) >= len(block) and not self._scores:
                raise MachineError(
                    f"the {self.name} scored none of {len(block)} answers: {_text(failures[0])}",
                    next_step="ask it one question by itself; then run the same command again",
                )
            self._take(rows)
            self._scores |= dict.fromkeys(failed)
            self._failed |= failed.keys()
            self._asked += len(block)
            if store:
                store.append(rows)
            self._report(self.name, len(pairs) - len(todo) + todo.index(block[-1]) + 1, len(pairs))
        if failures:
            log.warning(
                "%s: %d of %d answers have no score: %s; the same command again asks for these alone",
                self.name,
                len(failures),
                len(pairs),
                _text(failures[0]),
            )

    def _take(self, rows: Sequence[Row]) -> None:
        self._rows += rows
        self._scores |= {row.question: json.loads(row.text) for row in rows}

    def _ask_block(self, block: Mapping[str, tuple[Sample, str]]) -> tuple[list[Row], dict[str, Exception]]:
        """The rows of the replies, and the error of each request without one."""
        samples, answers = [s for s, _ in block.values()], [a for _, a in block.values()]
        attempt = getattr(self.metric, "attempt", self.metric.many)
        start = time.perf_counter()
        replies: Sequence[Reply | float | Exception | None] = attempt(samples, answers)
        share = (time.perf_counter() - start) / len(block)
        rows, failed = [], {}
        for digest, sample, reply in zip(block, samples, replies, strict=True):
            if isinstance(reply, Exception):
                failed[digest] = reply
            else:
                rows.append(self._row(digest, sample, reply if isinstance(reply, Reply) else Reply(reply), share))
        return rows, failed

    def _row(self, digest: str, sample: Sample, reply: Reply, seconds: float) -> Row:
        return Row(
            key=self._key or "",
            variant=self.name,
            id=sample.id,
            question=digest,
            text=json.dumps(reply.value),
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            seconds=seconds,
        )

    @contextmanager
    def _store(self) -> Iterator[RowStore | None]:
        with RowStore(self.file) if self.file and self._key else nullcontext() as store:
            yield store


def _digest(sample: Sample, answer: str) -> str:
    """Of all that a metric is given, but for the id."""
    return sha256_json([sample.model_dump(mode="json", exclude={"id"}), answer])


def _blocks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), BLOCK):
        yield items[start : start + BLOCK]


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
