"""Points for learning curves: the classical model on nested parts of train, and adapters trained on such parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domainkit.comparison.asking.answer import Answers
from domainkit.comparison.asking.call_runnable import question_of
from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.comparison.score import Rows, score_rows, why_no_evidence
from domainkit.corpus.example import Example
from domainkit.evaluation.answers_on_disk import Row
from domainkit.evaluation.classical import SimpleModel, fit_classical
from domainkit.evaluation.task import Task, clusters_of
from domainkit.results.schema import Estimate, LearningCurve
from domainkit.statistics.intervals import estimate
from domainkit.statistics.learning_curve import learning_curve, nested_subsets
from domainkit.training.config import TrainConfig

LEAST_ROWS = 64
"""With fewer training rows, an eighth of them is too little to learn from."""


def draw_curves(plan: ComparisonPlan, answers: Answers) -> tuple[LearningCurve, ...]:
    """Learning curves of the variants that learn from train, where they answered every question."""
    curves = (classical_curve(plan, answers), tuned_curve(plan, answers))
    return tuple(curve for curve in curves if curve is not None)


def classical_curve(plan: ComparisonPlan, answers: Answers) -> LearningCurve | None:
    """The classical variant on an eighth, a quarter, half and all of train. It takes seconds and shows whether more
    labels help."""
    examples, task = plan.inputs.solved, answers.task
    rows = answers.rows.get("classical", ())
    if len(examples) < LEAST_ROWS or not answers.complete("classical") or why_no_evidence(rows):
        return None
    points = []
    for part in nested_subsets(examples, seed=plan.inputs.config.seed):
        predict = fit_classical(task.kind, part, plan.simple.vectors, plan.simple.choice.name)
        texts = SimpleModel(predict).batch([question_of(s) for s in task.samples])
        rows = [Row(key="", variant="classical", id=s.id, text=t) for s, t in zip(task.samples, texts, strict=True)]
        points.append((len(part), _score(plan, task, rows)))
    whole = (len(examples), _score(plan, task, answers.rows["classical"]))
    return learning_curve("classical", [*points, whole])


def tuned_curve(plan: ComparisonPlan, answers: Answers) -> LearningCurve | None:
    """The tuned variant with its own adapter and those of smaller parts, each as large as its card says."""
    cards = [a.card for a in plan.smaller if a.card is not None]
    tuned = answers.rows.get("tuned", ())
    if not answers.smaller or plan.adapter is None or plan.adapter.card is None or why_no_evidence(tuned):
        return None
    points = [(plan.adapter.card.examples, _score(plan, answers.task, tuned))]
    for card, rows in zip(cards, answers.smaller, strict=True):
        if why_no_evidence(rows):
            continue
        points.append((card.examples, _score(plan, answers.task, rows)))
    return learning_curve("tuned", points)


def _score(plan: ComparisonPlan, task: Task, rows: Rows) -> Estimate:
    metrics = plan.inputs.metrics.primary_only
    return estimate(score_rows(metrics, task.samples, rows)[metrics.primary], clusters=clusters_of(task.samples))


def fit_nested(
    train: Sequence[Example], config: TrainConfig, out: Path, shares: Sequence[float] = (1 / 8, 1 / 4, 1 / 2)
) -> list[Path]:
    """Adapters trained on nested parts of `train`, in `out`/<number of examples>; one that is there is kept.

    This takes the time of one training on all rows times the sum of `shares` (for equal epochs).
    """
    from domainkit.training.train import train as fit

    folders = []
    for part in nested_subsets(train, shares, config.seed):
        folder = Path(out) / str(len(part))
        if not (folder / "adapter_config.json").is_file():
            fit(part, config, folder)
        folders.append(folder)
    return folders
