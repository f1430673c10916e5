"""What an answer is worth: any metric of domainkit, a function of your own, or a chat model as the judge."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from domainkit.corpus.example import Example
from domainkit.errors import FOREIGN_ERRORS, ConfigError, DomainkitError, TrainingError
from domainkit.evaluation.kinds import KINDS, Draft, kind_of
from domainkit.evaluation.metrics import CorpusMetric, PassageMetric, Score, declared, score_answer
from domainkit.evaluation.task import Sample, Task
from domainkit.storage import sha256_lines

Reward = Callable[[Sample, str], "float | Score | None"]
"""(question, answer) to its worth: any finite number, more is better; None leaves the answer out."""


class Scorer:
    """A reward for the rows of one run: `name` for the card, and a call that scores answers by the rows' numbers."""

    def __init__(self, reward: str | Reward, rows: Sequence[Example]) -> None:
        self.samples = [_sample(row, number) for number, row in enumerate(rows)]
        self.name, self._score = _resolve(reward, rows, self.samples)
        self._many = getattr(reward, "many", None)

    def __call__(self, numbers: Sequence[int], answers: Sequence[str]) -> list[float | None]:
        """Each answer's worth. Raises TrainingError when the reward fails or gives no finite number."""
        samples = [self.samples[n] for n in numbers]
        try:
            if self._many is not None:
                values = list(self._many(samples, answers))
            else:
                values = [self._score(s, a) for s, a in zip(samples, answers, strict=True)]
        except DomainkitError:
            raise
        except FOREIGN_ERRORS as e:  # the reward is the user's own code
            raise TrainingError(
                f"the reward {self.name} failed: {type(e).__name__}: {e}", next_step="call it on one row and one answer"
            ) from e
        return [self._number(v, a) for v, a in zip(values, answers, strict=True)]

    # `value` is what the user's own function returned.
    def _number(self, value: Any, answer: str) -> float | None:
        value = value.value if isinstance(value, Score) else value
        if value is None:
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise TrainingError(
                f"the reward {self.name} gave {value!r} for the answer {answer[:60]!r}",
                next_step="return a finite number, or None to leave the answer out",
            )
        return number


def _sample(row: Example, number: int) -> Sample:
    system = row.turns[0].content if row.turns[0].role == "system" else None
    return Sample(
        id=row.id or str(number),
        input=row.question,
        target=row.target,
        references=(row.target,),
        system=system,
        turns=tuple(turn for turn in row.prompt if turn.role != "system")[:-1],
        tools=row.tools,
        doc_ids=row.doc_ids,
        meta={"source": row.source},
    )


def _resolve(reward: str | Reward, rows: Sequence[Example], samples: Sequence[Sample]) -> tuple[str, Reward]:
    """(name, function of one answer)."""
    if not isinstance(reward, str):
        return str(getattr(reward, "__name__", type(reward).__name__)), reward
    lower = declared(reward).lower_is_better
    metric = declared(reward)(_task_of(reward, rows, samples))
    if isinstance(metric, CorpusMetric | PassageMetric):
        whole = isinstance(metric, CorpusMetric)
        what = "scores a whole set of answers" if whole else "reads passages beside the answer"
        raise ConfigError(
            f"the metric '{reward}' {what}, and a reward one answer",
            where="reward",
            next_step="take one that scores single answers, e.g. label_accuracy, exact_match or token_f1",
        )

    def score(sample: Sample, answer: str) -> Score:
        found = score_answer(reward, metric, sample, answer)
        return found if found.value is None or not lower else Score(1 - found.value)

    return f"1 - {reward}" if lower else reward, score


def _task_of(metric: str, rows: Sequence[Example], samples: Sequence[Sample]) -> Task:
    """The rows as a task of the kind that the metric is for: a free answer where it allows that."""
    kinds = declared(metric).kinds
    task = Task(
        name="train",
        kind="answer" if "answer" in kinds else kinds[0],
        samples=tuple(samples),
        fingerprint=sha256_lines(s.content for s in samples),
    )
    draft = Draft(where="the training rows", file=Path(), rows=tuple(rows), samples=tuple(samples))
    return kind_of(task.kind).complete(draft, task) if task.kind in KINDS else task
