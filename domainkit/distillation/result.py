"""What `distil` made of a teacher's answers: the rows, what was refused and why, how good the teacher is, the cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from domainkit.corpus.rows.distilled import FIELD
from domainkit.distillation.acceptance import Outcome
from domainkit.distillation.config import DistilConfig
from domainkit.distillation.teacher import Teacher
from domainkit.evaluation.task import Task
from domainkit.messages import JsonObject, openai_message
from domainkit.results.schema import Estimate
from domainkit.synthesis.budget import Cost


@dataclass(frozen=True)
class Use:
    """One model in one role."""

    role: str
    name: str
    cost: Cost
    is_local: bool
    versions: tuple[str, ...]
    """As the provider reported them beside its replies."""
    asked_from: str
    """UTC, ISO 8601; "" where nothing was asked."""
    asked_to: str
    estimated: int
    """Replies for which it reported no tokens: theirs are estimated."""
    failures: tuple[str, ...]
    from_disk: int
    """Replies that an earlier run had paid for."""

    def record(self) -> JsonObject:
        return {
            "name": self.name,
            "local": self.is_local,
            "versions": list(self.versions),
            "asked_from": self.asked_from,
            "asked_to": self.asked_to,
            "calls": self.cost.calls,
            "input_tokens": self.cost.input_tokens,
            "output_tokens": self.cost.output_tokens,
            "tokens_estimated_for": self.estimated,
            "money": None if self.is_local else round(self.cost.money, 6),
            "failures": len(self.failures),
        }


@dataclass(frozen=True)
class Distilled:
    """A finished run of `distil`."""

    out: Path
    config: DistilConfig
    task: Task
    teacher: Teacher
    outcomes: tuple[Outcome, ...]
    """One for each question, in the order of the file."""
    quality: Estimate
    """The teacher's score on the rows that had a target, by `metric`; without a value where none had one."""
    metric: str
    uses: tuple[Use, ...]
    ended_by: str
    """The budget's limit, where that ended the run."""
    stopped: str
    """The error, where one ended the run; what was answered until then counts."""
    currency: str
    default_prices: bool
    test: str = ""
    """The test file, where one was given."""
    personal_data: Mapping[str, int] = field(default_factory=dict)
    """Rows that hold personal data, by its kind."""

    @property
    def accepted(self) -> Sequence[Outcome]:
        return [o for o in self.outcomes if not o.refused]

    @property
    def rows(self) -> list[JsonObject]:
        return [self.row(o) for o in self.accepted]

    @property
    def file(self) -> Path:
        return self.out / "train.jsonl"

    def refused(self) -> Counter[str]:
        return Counter(o.refused for o in self.outcomes if o.refused)

    def row(self, outcome: Outcome) -> JsonObject:
        """The answered question as a training row that names its teacher."""
        sample = outcome.sample
        facts = {"agreement": outcome.agreement, "grade": outcome.grade, "score": outcome.score}
        rounded = {name: round(value, 3) for name, value in facts.items() if value is not None}
        row: JsonObject = {"id": sample.id}
        if sample.turns:
            turns = [*([{"role": "system", "content": sample.system}] if sample.system else [])]
            turns += [*map(openai_message, sample.turns), {"role": "user", "content": sample.input}]
            row["messages"] = [*turns, {"role": "assistant", "content": outcome.answer}]
        else:
            row |= {"input": sample.input, "target": outcome.answer}
            row |= {"system": sample.system} if sample.system else {}
        row |= {"tools": list(sample.tools)} if sample.tools else {}
        row |= {"group": sample.group} if sample.group else {}
        return {**row, FIELD: {"teacher": self.teacher.model.name, **rounded}}
