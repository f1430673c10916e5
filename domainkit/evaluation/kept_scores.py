"""Scores that cost something, such as a judge's grades: each is asked for once, also by a run that was killed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from domainkit.errors import MachineError
from domainkit.evaluation.answers_on_disk import Row, RowStore
from domainkit.evaluation.identity import identity_of
from domainkit.evaluation.task import Sample
from domainkit.storage import sha256_json

if TYPE_CHECKING:
    from domainkit.evaluation.metrics import BatchMetric

log = logging.getLogger("domainkit")
BLOCK = 16
"""Answers scored together. A kill loses at most these."""


class KeptScores:
    """A batch metric that scores the same answer to the same question once: a race and the learning curves score again.

    With a `file` also other runs do not ask again, as long as the metric's code and settings are the same. Its
    attribute `identity`, where it has one, stands for these.
    """

    def __init__(self, metric: BatchMetric, file: Path | None = None) -> None:
        self.metric, self.name, self.file = metric, metric.name, file
        self._scores: dict[str, float | None] = {}
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

    def _ask(self, pairs: Mapping[str, tuple[Sample, str]], store: RowStore | None) -> None:
        kept = store.finished(self._key or "") if store else {}
        self._scores |= {k: json.loads(kept[k].text) for k in pairs if k in kept}
        todo = [k for k in pairs if k not in kept]
        failures: list[Exception] = []
        for block in _blocks(todo):
            values = self._attempt([pairs[k] for k in block])
            failures += [v for v in values if isinstance(v, Exception)]
            if len(failures) >= len(block) and not self._scores:
                raise MachineError(
                    f"the {self.name} scored none of {len(block)} answers: {_text(failures[0])}",
                    next_step="ask it one question by itself; then run the same command again",
                )
            found = {k: None if isinstance(v, Exception) else v for k, v in zip(block, values, strict=True)}
            self._scores |= found
            if store:
                scored = [k for k, v in zip(block, values, strict=True) if not isinstance(v, Exception)]
                store.append(self._row(k, pairs[k][0], found[k]) for k in scored)
        if failures:
            log.warning(
                "%s: %d of %d answers have no score: %s; the same command again asks for these alone",
                self.name,
                len(failures),
                len(pairs),
                _text(failures[0]),
            )

    def _attempt(self, pairs: Sequence[tuple[Sample, str]]) -> Sequence[float | Exception | None]:
        samples, answers = [s for s, _ in pairs], [a for _, a in pairs]
        attempt = getattr(self.metric, "attempt", self.metric.many)
        values: Sequence[float | Exception | None] = attempt(samples, answers)
        return values

    def _row(self, digest: str, sample: Sample, value: float | None) -> Row:
        return Row(key=self._key or "", variant=self.name, id=sample.id, question=digest, text=json.dumps(value))

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
