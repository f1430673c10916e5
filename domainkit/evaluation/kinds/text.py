"""A long answer: one right answer, several, or none on file, so that only a judge can score it."""

from __future__ import annotations

from statistics import median

from domainkit.evaluation.classical import answer_models
from domainkit.evaluation.kinds import Draft, TaskKind
from domainkit.text.words import words

LONG = 60
"""Words of a long answer; of a script without spaces, letters."""


def _recognise(draft: Draft) -> str:
    """No row has a right answer, or half of the targets are long."""
    if not any(s.references for s in draft.samples):
        return "no row has an answer"
    targets = [e.target for e in draft.train] or [s.target for s in draft.samples]
    middle = median(len(words(target)) for target in targets)
    rows = "train" if draft.train else "test"
    return f"half of the {rows} targets have {middle:.0f} words or more" if middle >= LONG else ""


TEXT = TaskKind(
    name="text",
    title=lambda labels: "long answer",
    recognise=_recognise,
    complete=lambda draft, task: task,
    models=answer_models,
    leaks_by_answer=True,
    answer_tokens=256,
    metric="chrf",
)
