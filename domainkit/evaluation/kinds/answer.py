"""A free short answer."""

from __future__ import annotations

from domainkit.evaluation.classical import answer_models
from domainkit.evaluation.kinds import Draft, TaskKind
from domainkit.evaluation.kinds.label import counted_targets, share


def _recognise(draft: Draft) -> str:
    """Whatever is of no other kind."""
    if any(len(s.references) > 1 for s in draft.samples):
        return "rows have several references"
    targets, rows, unseen = counted_targets(draft)
    if unseen and share([s.target for s in draft.samples], targets) < 0.9:
        return f"{len(unseen)} of the test targets are not in train"
    distinct = len(set(targets))
    counts = f"{distinct} distinct targets on {len(targets)} {rows} rows"
    return f"{counts}: too many for labels" if distinct > 1 else f"{counts}: too few for labels"


ANSWER = TaskKind(
    name="answer",
    title=lambda labels: "free short answer",
    recognise=_recognise,
    complete=lambda draft, task: task,
    models=answer_models,
    leaks_by_answer=True,
    metric="token_f1",
)
