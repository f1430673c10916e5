"""Points for learning curves: the classical model on nested parts of train, and adapters trained on such parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from domainkit.adapters.folder import Adapter
from domainkit.comparison.call_runnable import Late, Progress, answer_all
from domainkit.comparison.plan import Plan
from domainkit.comparison.score import Rows, score_rows
from domainkit.corpus.example import Example
from domainkit.evaluation.answers_on_disk import Row, RowStore
from domainkit.evaluation.classical import fit_classical
from domainkit.evaluation.task import clusters_of
from domainkit.results.schema import Estimate, LearningCurve
from domainkit.statistics.intervals import estimate
from domainkit.statistics.learning_curve import learning_curve, nested_subsets
from domainkit.training.config import TrainConfig

LEAST_ROWS = 64
"""Training rows under which a part of an eighth teaches nothing."""


def draw_curves(
    plan: Plan, rows: Mapping[str, Rows], adapters: Sequence[Path], store: RowStore, on_progress: Progress | None
) -> list[LearningCurve]:
    """Learning curves of the variants that learn from train, where they were asked every question."""
    whole = {name: answered for name, answered in rows.items() if None not in answered}
    found = []
    if "classical" in whole:
        found.append(classical_curve(plan, whole["classical"]))
    if "tuned" in whole:
        found.append(tuned_curve(plan, whole["tuned"], adapters, store, on_progress))
    return [c for c in found if c is not None]


def classical_curve(plan: Plan, rows: Rows) -> LearningCurve | None:
    """The classical variant on an eighth, a quarter, half and all of train: seconds, and it says whether labels run out."""
    examples, task = plan.material.examples, plan.material.task
    if len(examples) < LEAST_ROWS or not any(v.name == "classical" for v in plan.variants):
        return None
    points = []
    for part in nested_subsets(examples, seed=plan.material.config.seed):
        answers = fit_classical(task.kind, part)([s.input for s in task.samples])
        answered = [
            Row(key="", variant="classical", id=s.id, text=t) for s, t in zip(task.samples, answers, strict=True)
        ]
        points.append((len(part), _score(plan, answered)))
    return learning_curve("classical", [*points, (len(examples), _score(plan, rows))])


def tuned_curve(
    plan: Plan, rows: Rows, adapters: Sequence[Path], store: RowStore, on_progress: Progress | None = None
) -> LearningCurve | None:
    """The tuned variant with `adapters` trained on smaller parts (`fit_nested`), each as large as its card says."""
    tuned = next((v for v in plan.variants if v.name == "tuned"), None)
    if not adapters or tuned is None or plan.adapter is None or plan.adapter.card is None:
        return None
    points = [(plan.adapter.card.examples, _score(plan, rows))]
    for folder in adapters:
        smaller = replace(plan, material=replace(plan.material, adapter=folder))
        card = Adapter.load(folder).card
        if card is None:
            continue
        name, size = f"tuned on {card.examples}", plan.material.config.batch_size
        answered = answer_all(
            name, smaller.key(tuned), Late(partial(smaller.chain, tuned)), plan.material.task.samples, store, batch_size=size,
            on_progress=on_progress,
        )  # fmt: skip
        points.append((card.examples, _score(plan, answered)))
    return learning_curve("tuned", points)


def _score(plan: Plan, rows: Rows) -> Estimate:
    task = plan.material.task
    scores = score_rows(plan.metrics, task.samples, rows)[plan.metrics.primary]
    return estimate(scores, clusters=clusters_of(task.samples))


def fit_nested(
    train: Sequence[Example], config: TrainConfig, out: Path, shares: Sequence[float] = (1 / 8, 1 / 4, 1 / 2)
) -> list[Path]:
    """Adapters trained on nested parts of `train`, in `out`/<number of examples>; one that is there is kept.

    As long as training takes on all of it times the sum of `shares` (for equal epochs).
    """
    from domainkit.training.train import train as fit

    folders = []
    for part in nested_subsets(train, shares, config.seed):
        folder = Path(out) / str(len(part))
        if not (folder / "adapter_config.json").is_file():
            fit(part, config, folder)
        folders.append(folder)
    return folders
