"""The files of a run: the rows, what was refused, the answers themselves, and the record."""

from __future__ import annotations

from pathlib import Path

from domainkit.distillation.acceptance import Outcome
from domainkit.distillation.result import Distilled
from domainkit.messages import JsonObject
from domainkit.synthesis.asking.owned_folder import OwnedFolder, as_lines

ANSWERS = "answers.jsonl"
"""Every answer of the teacher and the judge, as it came."""
RECORD = "distil.json"
ROWS, REFUSED = "train.jsonl", "refused.jsonl"
_DETAIL = 2_000
"""Characters of what is shown of a refused answer."""


def owned(out: Path) -> OwnedFolder:
    """The folder, whose files no run replaces that did not write them."""
    return OwnedFolder(out, "distil", RECORD, (ROWS, REFUSED), (ANSWERS,))


def write_files(distilled: Distilled) -> None:
    """Write the rows, the refused ones with their reasons, and the record."""
    texts = {
        ROWS: as_lines(distilled.rows),
        REFUSED: as_lines([_refused(o) for o in distilled.outcomes if o.refused]),
    }
    owned(distilled.out).write(texts, record(distilled))


def record(distilled: Distilled) -> JsonObject:
    """The facts of the run, for distil.json."""
    task, teacher, quality = distilled.task, distilled.teacher, distilled.quality
    return {
        "teacher": {"name": teacher.model.name, "asked": teacher.how, "held_by": teacher.held},
        "models": {use.role: use.record() for use in distilled.uses},
        "currency": distilled.currency,
        "default_prices": distilled.default_prices,
        "task": {"kind": task.kind, "why": task.why_kind, "labels": len(task.labels)},
        "options": distilled.config.model_dump(exclude_defaults=True, mode="json"),
        "questions": len(distilled.outcomes),
        "accepted": len(distilled.accepted),
        "refused": dict(distilled.refused().most_common()),
        "teacher_quality": {"metric": distilled.metric, **quality.model_dump()} if quality.n else None,
        "test": distilled.test or None,
        "rows_with_personal_data": dict(distilled.personal_data),
        "ended_by": distilled.ended_by or None,
        "stopped": distilled.stopped or None,
    }


def _refused(outcome: Outcome) -> JsonObject:
    row: JsonObject = {"id": outcome.sample.id, "input": outcome.sample.input, "refused": outcome.refused}
    facts = {"answer": outcome.answer, "detail": outcome.detail[:_DETAIL], "target": outcome.sample.target}
    row |= {name: value for name, value in facts.items() if value}
    numbers = {"agreement": outcome.agreement, "score": outcome.score, "grade": outcome.grade}
    return row | {name: round(value, 3) for name, value in numbers.items() if value is not None}
