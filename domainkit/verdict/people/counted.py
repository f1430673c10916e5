"""Which reviews count: of answers that still stand, and of the questions that the queue gives by chance."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from domainkit.results.lookups import score_of
from domainkit.results.review_plan import ReviewPlan
from domainkit.results.reviews import Review, latest, text_digest
from domainkit.results.schema import AnswerRow, Item, Results
from domainkit.statistics.review_queue import chances

RIGHT = {"right": 1.0, "wrong": 0.0}


@dataclass(frozen=True, slots=True)
class Counted:
    """The questions of the plan, and the reviews of each that count."""

    variants: tuple[str, ...]
    items: tuple[Item, ...]
    """All that these variants answered, in the run's order."""
    reviews: tuple[tuple[Review, ...], ...]
    """Of each item, one a reviewer."""
    chances: tuple[float, ...]
    """Of each item, to be among those shown; 0 where both answers are the same."""
    outdated: int
    not_judged: int

    @property
    def reviewed(self) -> int:
        """Questions with a verdict on each of their answers."""
        return sum(value is not None for value in self.mean(self.right_less_right))

    @property
    def reviewers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(r.reviewer for group in self.reviews for r in group))

    @property
    def identical(self) -> tuple[bool, ...]:
        return tuple(len(self.variants) == 2 and same_answers(item, self.variants) for item in self.items)

    def mean(self, value: Callable[[Review], float | None]) -> list[float | None]:
        """Of each item, the mean over its reviewers; None where none of them says."""
        means: list[float | None] = []
        for group in self.reviews:
            values = [v for review in group if (v := value(review)) is not None]
            means.append(sum(values) / len(values) if values else None)
        return means

    def right(self, variant: str) -> Callable[[Review], float | None]:
        return lambda review: RIGHT.get(review.verdict_on(variant) or "")

    def right_less_right(self, review: Review) -> float | None:
        """right(first) - right(second); of one variant alone, right(first)."""
        values = [self.right(variant)(review) for variant in self.variants]
        if None in values:
            return None
        first, *others = (v for v in values if v is not None)
        return first - sum(others)

    def preference(self, review: Review) -> float | None:
        """1 for the first variant, -1 for the second, 0 for a tie; None where the reviewer gave none."""
        if review.preference is None:
            return None
        return 0.0 if review.preferred is None else 1.0 if review.preferred == self.variants[0] else -1.0


def answered_by(results: Results, variants: Sequence[str]) -> list[Item]:
    """The items that all of these variants were asked."""
    return [item for item in results.items if all(v in item.answers for v in variants)]


def same_answers(item: Item, variants: Sequence[str]) -> bool:
    """Whether both say the same, letter by letter but for space: then one cannot be right and the other wrong."""
    return len({plain(item.answers[v]) for v in variants}) == 1


def plain(answer: AnswerRow) -> str:
    return " ".join(unicodedata.normalize("NFC", shown_text(answer)).split())


def shown_text(answer: AnswerRow) -> str:
    """What the reviewer sees as the answer; an error has none."""
    return "" if answer.error is not None else answer.text


def judge_scores(items: Sequence[Item], variant: str, metric: str) -> list[float | None]:
    return [score_of(item, variant, metric) for item in items]


def counted_reviews(results: Results, plan: ReviewPlan, reviews: Sequence[Review]) -> Counted:
    """The last review of each person and question, as far as it counts.

    Questions were shown in the queue's order, so those up to the last one that somebody finished are a sample with the
    chances of that number.
    """
    items = answered_by(results, plan.variants)
    places = {question: k for k, question in enumerate(plan.queue)}
    by_id = {item.id: item for item in items}
    finished = [r for r in latest(reviews).values() if r.finished]
    valid = [r for r in finished if r.question in places and _of_these_answers(r, by_id.get(r.question), plan.variants)]
    shown = _shown(plan, {r.question for r in valid})
    kept: dict[str, list[Review]] = {}
    for review in valid:
        if places[review.question] < shown:
            kept.setdefault(review.question, []).append(review)
    drawn = dict(zip(plan.queue, chances(plan.weights, shown), strict=True)) if shown else {}
    found = Counted(
        variants=plan.variants,
        items=tuple(items),
        reviews=tuple(tuple(kept.get(item.id, ())) for item in items),
        chances=tuple(drawn.get(item.id, 0.0) for item in items),
        outdated=len(finished) - sum(map(len, kept.values())),
        not_judged=0,
    )
    return replace(found, not_judged=len(kept) - found.reviewed)


def _of_these_answers(review: Review, item: Item | None, variants: Sequence[str]) -> bool:
    if item is None or set(review.variants) != set(variants):
        return False
    return all(review.digest_of(v) == text_digest(shown_text(item.answers[v])) for v in variants)


def _shown(plan: ReviewPlan, reviewed: set[str]) -> int:
    """The length of the queue's beginning in which every question was reviewed."""
    return next((k for k, question in enumerate(plan.queue) if question not in reviewed), len(plan.queue))
