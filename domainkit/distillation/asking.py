"""The teacher and the judge are asked: each question as often as there are samples, each answer kept and paid once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from domainkit.comparison.asking.call_runnable import question_of, read_output
from domainkit.distillation.acceptance import GRADED_LOW, NOT_GRADED, Outcome
from domainkit.distillation.config import DistilConfig
from domainkit.distillation.teacher import Teacher
from domainkit.evaluation.answers_on_disk import RowStore, asked
from domainkit.evaluation.metrics.judge import GRADE, HIGHEST, Judge
from domainkit.evaluation.task import Sample
from domainkit.llm.named_model import NamedModel
from domainkit.storage import sha256_json
from domainkit.synthesis.asking.asker import Asker, Limiter, Reply
from domainkit.synthesis.asking.requests import BYTES_A_TOKEN, SHORT_TOKENS, Request
from domainkit.synthesis.budget import Budget, TokenPrice, price_of
from domainkit.verdict.costs.prices import PriceTable

TEACHER, JUDGE = "teacher", "judge"
JUDGED_TOKENS = 400
"""Read by the judge for one answer, about."""


@dataclass(frozen=True)
class TeacherRequest(Request):
    """One sample of the answer to one question."""

    sample: Sample | None = None
    prompt_tokens: int = 0
    """Of the prompt around the question, about."""

    @property
    def question(self) -> Sample:
        assert self.sample is not None
        return self.sample

    @property
    def digest(self) -> str:
        digest = asked(self.question)
        return digest if not self.attempt else sha256_json([digest, self.attempt])

    @property
    def input_tokens(self) -> int:
        said = [self.question.system or "", *(turn.content for turn in self.question.turns), self.question.input]
        return self.prompt_tokens + sum(len(text.encode()) for text in said) // BYTES_A_TOKEN + 16


@dataclass
class TeacherAsker(Asker):
    """Asks the teacher's chains, one for each sample."""

    teacher: Teacher | None = None
    samples: int = 1
    chains: dict[int, Any] = field(default_factory=dict)
    """Any: what answers, by the number of the sample."""

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.teacher is not None
        self.chains = {number: self.teacher.chain(number) for number in range(self.samples)}
        self._prompt_tokens = _prompt_tokens(self.chains[0])

    def answers(self, questions: Sequence[Sample]) -> list[list[Reply]]:
        """To each question the replies that came, in the order of their samples."""
        assert self.teacher is not None
        room = self.teacher.output_tokens
        requests = [
            TeacherRequest((), room, number, sample=sample, prompt_tokens=self._prompt_tokens)
            for sample in questions
            for number in range(self.samples)
        ]
        replies = self.ask(requests)
        by_question = [replies[i : i + self.samples] for i in range(0, len(replies), self.samples)]
        return [[reply for reply in some if reply is not None] for some in by_question]

    # Any: whatever the teacher returns.
    def _reply_of(self, request: Request) -> Any:
        assert isinstance(request, TeacherRequest)
        return self.chains[request.attempt].invoke(question_of(request.question))

    def _text(self, request: Request, message: Any) -> str:
        assert isinstance(request, TeacherRequest)
        return str(read_output(message, 0.0, request.question.tools)["text"])


def _prompt_tokens(chain: Any) -> int:
    """Of the prompt around a question, as the chain writes it; 0 where it does not show it. Any: a chain."""
    shots, instruction = getattr(chain, "shots", ()), getattr(chain, "instruction", "")
    texts = [instruction, *(turn.content for example in shots for turn in example.turns)]
    return sum(len(text.encode()) for text in texts) // BYTES_A_TOKEN


@dataclass
class Askers:
    """Everybody who is asked, with one budget."""

    teacher: TeacherAsker
    judge: Asker | None
    rubric: Judge | None
    budget: Budget
    least: float
    """Grade."""

    @property
    def all(self) -> tuple[Asker, ...]:
        return (self.teacher, self.judge) if self.judge is not None else (self.teacher,)

    def close(self) -> None:
        """Ask nobody any more: the replies on disk still count."""
        for asker in self.all:
            asker.close()

    @property
    def replied(self) -> bool:
        """Whether the teacher has ever replied to a question of this run."""
        return bool(self.teacher.used)

    def graded(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The same with the judge's grade of each answer that is accepted so far, and what it refuses refused."""
        if self.judge is None or self.rubric is None:
            return list(outcomes)
        chosen = [o for o in outcomes if not o.refused]
        messages = (self.rubric.messages(o.sample, o.answer) for o in chosen)
        requests = [Request(tuple(m), SHORT_TOKENS, choices=Judge.replies) for m in messages]
        grades = dict(zip((o.sample.id for o in chosen), self.judge.ask(requests), strict=True))
        return [o if o.refused else self._graded(o, grades[o.sample.id]) for o in outcomes]

    def _graded(self, outcome: Outcome, reply: Reply | None) -> Outcome:
        match = GRADE.fullmatch(reply.text) if reply is not None else None
        if match is None:
            detail = "" if reply is None else f"the judge replied: {reply.text[:200]}"
            return replace(outcome, refused=NOT_GRADED, detail=detail or "the judge was not asked, or did not reply")
        grade = int(match[1]) / HIGHEST
        if grade < self.least - 1e-9:
            return replace(outcome, grade=grade, refused=GRADED_LOW, detail=outcome.answer)
        return replace(outcome, grade=grade)


def make_askers(
    teacher: Teacher,
    judge: tuple[NamedModel, str] | None,
    config: DistilConfig,
    store: RowStore,
    prices: PriceTable,
    limiter: Limiter | None,
) -> Askers:
    """`judge`: the model and its rubric."""
    budget = Budget(config.budget_calls, config.budget_tokens, config.budget_money, prices.currency)
    price = price_of(teacher.spec or teacher.model.name, prices, is_local=teacher.is_local)
    asker = TeacherAsker(
        TEACHER,
        teacher.model,
        price,
        store,
        budget,
        config.max_concurrency,
        limiter,
        teacher=teacher,
        samples=config.samples,
    )
    if judge is None:
        return Askers(asker, None, None, budget, config.grade)
    model, rubric = judge
    judging = _price(model, prices)
    asker.follow_up = judging.of(JUDGED_TOKENS, SHORT_TOKENS)
    second = Asker(JUDGE, model, judging, store, budget, config.max_concurrency, limiter)
    return Askers(asker, second, Judge(model.llm, rubric), budget, config.grade)


def _price(model: NamedModel, prices: PriceTable) -> TokenPrice:
    return price_of(model.name, prices, is_local=model.is_local)


__all__ = ["JUDGE", "TEACHER", "Askers", "make_askers"]
