"""Which of a teacher's answers become rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from domainkit.distillation.answer_form import Read
from domainkit.distillation.config import DistilConfig
from domainkit.evaluation.kinds import kind_of
from domainkit.evaluation.metrics import ItemMetric, item_metrics, metric_title, score_answer
from domainkit.evaluation.task import Sample, Task

NO_REPLY, DISAGREE, WRONG, GRADED_LOW, NOT_GRADED = (
    "no reply",
    "too little agreement",
    "not the known answer",
    "graded too low",
    "no grade",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one question."""

    sample: Sample
    answer: str = ""
    """The teacher's, in the form of the task; "" where none can be read."""
    agreement: float | None = None
    """The share of the samples that agree with it; None where it was asked for once."""
    score: float | None = None
    """By the task's metric, where the row has a target."""
    grade: float | None = None
    """The judge's, from 0 to 1."""
    refused: str = ""
    """Why it is no row; "" for a row."""
    detail: str = ""

    @property
    def is_known(self) -> bool:
        return bool(self.sample.references)


class Acceptance:
    """Chooses one answer of several, and says whether it is good enough."""

    def __init__(self, task: Task, config: DistilConfig) -> None:
        self.config = config
        self.metric = kind_of(task.kind).metric
        self.title = metric_title(self.metric)
        self._score: ItemMetric = item_metrics(task, [self.metric])[self.metric]

    def decide(self, sample: Sample, samples: Sequence[Read]) -> Outcome:
        """From the answers read to one question; those without a reply are not among them."""
        if len(samples) < self.config.samples:
            return Outcome(sample, refused=NO_REPLY)
        readable = [read.text for read in samples if not read.fault]
        if not readable:
            fault = Counter(read.fault for read in samples).most_common(1)[0][0]
            detail = next(read.detail for read in samples if read.fault == fault)
            return Outcome(sample, score=0.0 if sample.references else None, refused=fault, detail=detail)
        answer, share = self._most_agreed(sample, readable, len(samples))
        agreement = share if self.config.samples > 1 else None
        score = self._between(sample, answer) if sample.references else None
        refused = ""
        if agreement is not None and agreement < self.config.agreement - 1e-9:
            refused = DISAGREE
        elif score is not None and score < self.config.score - 1e-9:
            refused = WRONG
        return Outcome(sample, answer, agreement, score, None, refused, " / ".join(dict.fromkeys(readable)))

    def _most_agreed(self, sample: Sample, answers: Sequence[str], asked: int) -> tuple[str, float]:
        """The answer that the others agree with most, the first of several; and the share of all samples asked for,
        itself among them, that do. Of labels that is the majority's share."""
        counts = Counter(answers)
        shares = {}
        for answer in counts:
            judged_by = sample.model_copy(update={"target": answer, "references": (answer,)})
            agreed = sum(n * (1.0 if a == answer else self._between(judged_by, a)) for a, n in counts.items())
            shares[answer] = agreed / asked
        best = max(shares, key=lambda answer: shares[answer])
        return best, shares[best]

    def _between(self, sample: Sample, answer: str) -> float:
        return score_answer(self.metric, self._score, sample, answer).value or 0.0
