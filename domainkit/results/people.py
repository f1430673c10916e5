"""What people who know the domain found: in results.json where a run was reviewed."""

from __future__ import annotations

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from domainkit.results.answers import Estimate, JsonObject, Record, State
from domainkit.results.verdict import Verdict

WORTH_SAYING = 1.1
"""Effective reviews over those without the judge, from which the judge is said to add something."""


class PeopleDifference(Record):
    """The first variant less the second, by people: of shares right, or of shares preferred (`Preference`)."""

    value: float
    low: float
    high: float
    level: float = 0.95
    p: float
    """Two-sided."""
    n: int
    """Questions reviewed."""
    worth: float
    """Random reviews without a judge that would say as much."""
    alone: float
    """The same for these reviews without the judge."""
    r2: float = 0.0
    """Share of the reviews' variance that the judge explains; 0 where it was not used."""
    state: State


class Preference(Record):
    """Which answer people would rather give: another question than which is right, so never counted with it."""

    difference: PeopleDifference
    wins: int
    """Reviews that prefer the first variant; `ties` and `losses` likewise."""
    ties: int
    losses: int
    against: int = 0
    """Reviews that prefer a wrong answer to a right one."""
    left: int = 0
    """Preferences for the answer shown first, of those that prefer one."""
    left_p: float = 1.0
    """Two-sided, for no preference of the place."""


class JudgeMeasured(Record):
    """How far a judge agrees with people on single answers, where its grade from 0.5 up means right."""

    metric: str
    n: int
    """Answers that both judged."""
    kappa: float | None
    """Cohen's; None where one of the two gave the same verdict to all."""
    sensitivity: Estimate
    """Of the answers that people call right, the share that the judge does, too."""
    specificity: Estimate
    """Of the answers that people call wrong, the share that the judge does, too."""
    by_variant: dict[str, tuple[Estimate, Estimate]] = Field(default_factory=dict)
    """Sensitivity and specificity for each variant: where they differ, the judge favours one."""


class ReviewersAgree(Record):
    """Two people on the same answers."""

    reviewers: tuple[str, str]
    n: int
    """Answers that both judged."""
    share: Estimate
    """With the same verdict."""
    ac1: Estimate
    """Gwet's AC1: agreement beyond chance, which stays meaningful where nearly all answers are right."""


class ByPeople(Record):
    """The result by people's judgement."""

    variants: tuple[str, ...]
    """One, or two that were compared: the recommended one first."""
    reviewers: tuple[str, ...]
    reviewed: int
    """Questions that count."""
    planned: int
    questions: int
    """Of the run."""
    identical: int = 0
    """Questions with the same answer from both: equally right without a look."""
    not_judged: int = 0
    """Questions that were seen, and that nobody could judge."""
    outdated: int = 0
    """Reviews of answers that have changed since, or of questions that are no longer in the queue's part: they do not
    count."""
    right: dict[str, Estimate]
    """Share of right answers among those reviewed, by variant."""
    difference: PeopleDifference | None = None
    """Of the shares right over all questions; None where one variant alone was reviewed, or nothing counts."""
    preference: Preference | None = None
    agreement: tuple[ReviewersAgree, ...] = ()
    judge: JudgeMeasured | None = None
    """None where the run has no judge."""
    sentence: str = ""
    """The result in one sentence."""
    metric_verdict: Verdict | None = None
    """The verdict by the metric, where people's judgement changed it; else it is not written."""

    @property
    def complete(self) -> bool:
        """Whether all planned questions were reviewed. Before that nobody has won: who looks again and again, and stops
        at a good moment, finds a winner among equals in every fifth case."""
        return self.reviewed + self.not_judged >= self.planned

    @model_serializer(mode="wrap")
    def _drop_absent(self, write: SerializerFunctionWrapHandler) -> JsonObject:
        fields: JsonObject = write(self)
        if self.metric_verdict is None:
            fields.pop("metric_verdict", None)
        return fields


__all__ = ["ByPeople", "JudgeMeasured", "PeopleDifference", "Preference", "ReviewersAgree"]
