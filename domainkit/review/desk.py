"""One person's session: their questions in order, what is shown of each, and what they said so far.

Names of variants stay here. What leaves it is text: control characters are spelt out, and the page adds no markup.
"""

from __future__ import annotations

import json
import random
from contextlib import suppress
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from domainkit.messages import JsonObject, Message
from domainkit.results.answers import AnswerRow, Item, Passage
from domainkit.results.review_plan import ReviewPlan
from domainkit.results.reviews import Judged, Preferred, Review, ReviewLog, latest, now, text_digest
from domainkit.results.schema import Results
from domainkit.serving.guards.limits import Admission
from domainkit.statistics.review_queue import chances
from domainkit.storage import parse_json, sha256_json
from domainkit.verdict.people.counted import shown_text
from domainkit.visible import visible

SECOND_SHARE = 0.15
"""Part of the questions that a second person also gets, to measure how far two people agree."""
SECOND_LEAST = 5
SIDES = ("left", "right")


class Click(BaseModel):
    """What the page sends: all that the reviewer has said of the question so far."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    left_verdict: Judged | None = None
    right_verdict: Judged | None = None
    preference: Preferred | None = None
    correction: str = Field("", max_length=100_000)
    reason: str = Field("", max_length=100_000)


class SentClick(Click):
    """A click, and the session that its page belongs to: the desk may be another one since."""

    session: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of the session: the variants by side, and the chance of the question."""

    item: Item
    sides: tuple[str, ...]
    chance: float


class Desk:
    """What one reviewer sees and has said."""

    def __init__(self, results: Results, plan: ReviewPlan, log: ReviewLog, reviewer: str, share: int) -> None:
        self.plan = plan
        self.reviewer = reviewer
        self.admission = Admission(limit=64)
        self._results = results
        self._log = log
        items = {item.id: item for item in results.items}
        drawn = chances(plan.weights, plan.reviews)
        self._asked = [
            Asked(items[question], _sides(plan, reviewer, question), chance)
            for question, chance in list(zip(plan.queue, drawn, strict=True))[:share]
        ]
        self._said = self._earlier()

    def _earlier(self) -> dict[str, Review]:
        """What this person said before, of the same answers."""
        said = {question: r for (who, question), r in latest(self._log.reviews).items() if who == self.reviewer}
        return {a.item.id: r for a in self._asked if (r := said.get(a.item.id)) and _same(r, self._empty(a))}

    @property
    def total(self) -> int:
        return len(self._asked)

    @property
    def done(self) -> int:
        return sum(review.finished for review in self._said.values())

    @property
    def next(self) -> int:
        """The first question that is not finished; `total` where all are."""
        unfinished = (k for k, a in enumerate(self._asked) if not self._is_finished(a))
        return next(unfinished, self.total)

    def _is_finished(self, asked: Asked) -> bool:
        review = self._said.get(asked.item.id)
        return review is not None and review.finished

    @property
    def session(self) -> str:
        """What tells this desk from one with other questions, or for another person."""
        return sha256_json([self.reviewer, [(a.item.id, a.sides) for a in self._asked]])[:16]

    def state(self) -> JsonObject:
        return {
            "session": self.session,
            "task": visible(self._results.task.name),
            "reviewer": visible(self.reviewer),
            "rubric": visible(self.plan.rubric),
            "answers": len(self.plan.variants),
            "total": self.total,
            "done": self.done,
            "next": self.next,
        }

    def open(self, k: int) -> bool:
        """Whether the question may be shown: those before the first unfinished one, and this."""
        return 0 <= k < self.total and k <= self.next

    def question(self, k: int) -> JsonObject:
        """What is shown of question `k`; the task's own answer is not."""
        asked = self._asked[k]
        answers = [asked.item.answers[name] for name in asked.sides]
        passages = all(answer.passages for answer in answers)  # those of one alone would tell which it is
        review = self._said.get(asked.item.id) or self._empty(asked)
        return {
            "number": k,
            "input": shown(asked.item.input),
            "turns": [*_system(asked.item), *map(_turn, asked.item.turns)],
            "tools": [_tool(tool) for tool in asked.item.tools],
            "answers": [self._answer(answer, passages) for answer in answers],
            "said": review.model_dump(include=set(Click.model_fields)),
            "reference": self._reference(asked) if review.reference_shown else None,
        }

    def take(self, k: int, click: Click) -> JsonObject:
        """Keep a click: it is on the disk when this returns."""
        said = click.model_dump(include=set(Click.model_fields))
        asked = self._asked[k]
        before = self._said.get(asked.item.id) or self._empty(asked)
        self._keep(before.model_copy(update={**said, "at": now()}))
        return self.state()

    def show_reference(self, k: int) -> list[str]:
        """The task's own answers, and a note that they were looked at."""
        asked = self._asked[k]
        before = self._said.get(asked.item.id) or self._empty(asked)
        if not before.reference_shown:
            self._keep(before.model_copy(update={"reference_shown": True, "at": now()}))
        return self._reference(asked)

    def _keep(self, review: Review) -> None:
        self._log.append(review)
        self._said[review.question] = review

    def _empty(self, asked: Asked) -> Review:
        digests = [text_digest(shown_text(asked.item.answers[name])) for name in asked.sides]
        return Review(
            question=asked.item.id,
            left=asked.sides[0],
            right=asked.sides[1] if len(asked.sides) > 1 else None,
            reviewer=self.reviewer,
            at=now(),
            chance=min(asked.chance, 1.0),
            left_digest=digests[0],
            right_digest=digests[1] if len(digests) > 1 else None,
        )

    def _answer(self, answer: AnswerRow, passages: bool) -> JsonObject:
        texts = [self._results.passages.get(p, Passage(title=p, text="")) for p in answer.passages] if passages else []
        return {"text": shown(shown_text(answer)), "passages": [_passage(p) for p in texts]}

    def _reference(self, asked: Asked) -> list[str]:
        return [shown(text) for text in dict.fromkeys((asked.item.target, *asked.item.references)) if text]


def share_of(plan: ReviewPlan, reviewer: str, log: ReviewLog, asked: int | None = None) -> int:
    """How many questions of the queue this person gets: all for the first person, a part of them for others."""
    first = next((review.reviewer for review in log.reviews), reviewer)
    if reviewer == first:
        return plan.reviews
    return min(asked or max(round(SECOND_SHARE * plan.reviews), SECOND_LEAST), plan.reviews)


def shown(text: str) -> str:
    """The text as the page shows it. JSON is set on lines of its own, so that two objects can be compared."""
    if text.lstrip()[:1] in ("{", "["):
        with suppress(ValueError):  # no JSON: as it is
            text = json.dumps(parse_json(text), ensure_ascii=False, indent=2)
    return visible(text)


def _sides(plan: ReviewPlan, reviewer: str, question: str) -> tuple[str, ...]:
    """The variants, first and second, at random for each question and person."""
    names = sorted(plan.variants)
    random.Random(f"sides {plan.seed} {reviewer} {question}").shuffle(names)
    return tuple(names)


def _same(review: Review, empty: Review) -> bool:
    """Whether the review is of the same answers on the same sides."""
    fields = {"left", "right", "left_digest", "right_digest"}
    return review.model_dump(include=fields) == empty.model_dump(include=fields)


def _passage(passage: Passage) -> JsonObject:
    return {"title": visible(passage.title), "text": visible(passage.text)}


def _turn(message: Message) -> JsonObject:
    calls = "".join(f"\n{call.name}({json.dumps(call.arguments, ensure_ascii=False)})" for call in message.tool_calls)
    return {"role": visible(message.role), "text": visible(f"{message.content}{calls}".strip())}


def _system(item: Item) -> list[JsonObject]:
    return [{"role": "system", "text": visible(item.system)}] if item.system else []


def _tool(tool: JsonObject) -> JsonObject:
    function = tool.get("function", tool)
    described = function if isinstance(function, dict) else {}
    parameters = json.dumps(described.get("parameters") or {}, ensure_ascii=False, indent=2)
    about = "\n".join(filter(None, (str(described.get("description") or ""), parameters)))
    return {"name": visible(described.get("name", "")), "text": visible(about)}
