"""Answers of one batch, each taken when it is there: a kill loses those that were under way, and no finished one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeGuard

from domainkit.errors import FOREIGN_ERRORS
from domainkit.evaluation.answers_on_disk import Row
from domainkit.evaluation.variant import Answerer
from domainkit.messages import JsonObject


class Keep(Protocol):
    """Takes rows by their questions' digests, as soon as there are any. Without `sync` a kill loses none of them, but a
    power failure may, until the next call with it."""

    def __call__(self, rows: Mapping[str, Row], *, sync: bool = True) -> None: ...


# Any: as in Answerer.
class AnswersApart(Answerer, Protocol):
    """A Runnable whose answers can be had one by one."""

    def batch_as_completed(
        self, inputs: Sequence[Any], config: Any = None, *, return_exceptions: bool = False
    ) -> Iterator[tuple[int, Any]]: ...


def comes_apart(runnable: object) -> TypeGuard[AnswersApart]:
    """Whether its answers can be taken as they come at no cost: its `batch` is nothing but `invoke` in threads, or it
    has a `batch_as_completed` of its own beside it."""
    kind = type(runnable)
    if not hasattr(kind, "batch_as_completed"):
        return False
    whole, apart = (_owner(kind, name) for name in ("batch", "batch_as_completed"))
    if whole.__name__ == "RunnableSequence":  # each step in a batch of its own
        return all(comes_apart(step) for step in getattr(runnable, "steps", ()))
    bound = getattr(runnable, "bound", None)
    return whole is apart and (bound is None or comes_apart(bound))


def _owner(kind: type, method: str) -> type:
    """The class that defines the method."""
    return next(one for one in kind.__mro__ if method in vars(one))


def outputs_of(runnable: AnswersApart, questions: Sequence[str | JsonObject]) -> Iterator[tuple[int, object, float]]:
    """(number of the question, its answer or error, its share of the seconds), all questions asked at once.

    Of each moment, the questions that are under way have equal shares: a longer answer has more, and the shares sum to
    the time of the batch.
    """
    left, share, last = set(range(len(questions))), 0.0, time.perf_counter()
    try:
        answers = runnable.batch_as_completed(questions, {"max_concurrency": len(questions)}, return_exceptions=True)
        for i, output in answers:
            now = time.perf_counter()
            share, last = share + (now - last) / max(1, len(left)), now
            left.discard(i)
            yield i, output, share
        error: BaseException = ValueError(f"batch_as_completed() left out {len(left)} of {len(questions)} questions")
    except SystemExit:  # of one question: the others are asked alone
        for i in sorted(left):
            start = time.perf_counter()
            output = answer_alone(runnable, questions[i])
            yield i, output, time.perf_counter() - start
        return
    except Exception as e:  # a Runnable may fail as a whole: that is a result of the comparison, not its end
        error = e
    share += (time.perf_counter() - last) / max(1, len(left))
    for i in sorted(left):
        yield i, error, share


def answer_alone(runnable: Answerer, question: str | JsonObject) -> object:
    """The answer, or the error in its place."""
    try:
        return runnable.invoke(question)
    except FOREIGN_ERRORS as e:
        return e
