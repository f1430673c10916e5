"""compare(): every variant on the same questions, paired statistics, a verdict, and the report.

Each stage leaves a plain value on disk or in hand: answers are kept row by row, so a killed run continues; scores, verdict and
report are made from them without a model.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from domainkit.comparison.answer import answer_variants, time_variants
from domainkit.comparison.call_runnable import Progress
from domainkit.comparison.cost_and_forgetting import add_consequences, read_given, receipt_of
from domainkit.comparison.inputs import gather_material, parse_options
from domainkit.comparison.learning_curves import draw_curves
from domainkit.comparison.plan import Plan, make_plan, needs_of
from domainkit.comparison.replicas import check_replicas, weigh_recipes
from domainkit.comparison.score import (
    Rows,
    Scores,
    items_of,
    passages_of,
    score_rows,
    variant_result,
    with_differences,
)
from domainkit.comparison.train_missing import fit_adapters, fit_replicas
from domainkit.corpus.document import Document
from domainkit.corpus.example import Example
from domainkit.errors import MachineError
from domainkit.evaluation.answers_on_disk import RowStore
from domainkit.evaluation.task import Task, clusters_of
from domainkit.evaluation.variant import Variant
from domainkit.machine import environment
from domainkit.report import write_report
from domainkit.results.schema import Leak, LearningCurve, Race, Recipe, Results, SetUse, TaskFacts, VariantResult
from domainkit.retrieval.dense import sentence_cosines
from domainkit.retrieval.embeddings import MiniLMEmbeddings
from domainkit.statistics.seeds import cautions as recipe_cautions
from domainkit.training.config import TrainConfig
from domainkit.verdict.leakage import find_leaks
from domainkit.verdict.test_set_ledger import content_of, record_use, settings_of_run
from domainkit.verdict.verdict import decide

RESULTS = "results.json"
EMBEDDED_AT_MOST = 20_000
"""Questions whose meaning is compared for leakage: some minutes on two cores."""


def compare(
    task: Task | Path | str,
    variants: Sequence[str | Variant] | None,
    out: Path | str,
    *,
    train: Path | str | Sequence[Example] | None = None,
    corpus: Path | str | Sequence[Document] | None = None,
    adapter: Path | str | None = None,
    context_adapter: Path | str | None = None,
    fit: TrainConfig | None = None,
    dev: Path | str | Sequence[Example] | None = None,
    curve: Sequence[Path | str] = (),
    replicas: Sequence[Path | str] = (),
    on_progress: Progress | None = None,
    **options: Any,
) -> Results:
    """Answer every question of `task` with every variant and decide.

    `variants` are names of the ladder, or Variants of your own (any LangChain Runnable as `runnable`); None runs all of the ladder
    that the material allows. `context_adapter` is one trained with passages in its prompts (`chains.context`). With `fit` the
    adapters that the variants need and that are not given are trained on `train`, all with this configuration, into `out`; what
    is there already is used again. `dev` are the questions settings were chosen on, if any: test questions among them are told.
    `curve` are adapters trained on smaller parts of train (`curves.fit_nested`), for a learning curve of "tuned". `replicas` are
    adapters trained as `adapter` was but with other seeds: what holds of the training recipe, not of one adapter, is told too.
    `options` are CompareConfig's fields.

    Writes results.json, report.html and report.md to `out`, where rows.jsonl keeps the answers: run again after an interruption
    and only what is missing is asked.

    Raises DataError, AdapterError or ConfigError before the first question when the material does not fit together.
    """
    started = time.perf_counter()
    out = Path(out)
    material = gather_material(task, train, corpus, adapter, parse_options(options), dev, context_adapter)
    needs = needs_of(variants)
    fitted = fit is not None and bool(needs & {"adapter", "context adapter"})
    given = read_given(material.config, fitted or bool(material.adapter or material.context_adapter))
    made_alike = fit_replicas(material, needs, fit, out / "adapters")
    if fit is not None:
        material = fit_adapters(material, needs, fit, out / "adapters")
    plan = whole = make_plan(material, variants)
    _ = plan.adapter, plan.context_adapter  # a damaged adapter, or one of another base, is refused here
    alike = [*map(Path, replicas), *made_alike]
    seeds = check_replicas(plan, alike)
    with RowStore(out / "rows.jsonl") as store, RowStore(out / "latency.jsonl") as timings:
        plan, rows, race = answer_variants(plan, store, on_progress)
        times = time_variants(plan, timings, on_progress)
        curves = draw_curves(plan, rows, [Path(folder) for folder in curve], store, on_progress)
        recipes = weigh_recipes(plan, rows, alike, seeds, store, on_progress)
    use = record_use_of(whole)
    seconds = time.perf_counter() - started
    results = conclude(plan, rows, times, seconds=seconds, race=race, curves=curves, use=use, recipes=recipes)
    results = add_consequences(results, plan, given, out, on_progress)
    results.save(out / RESULTS)
    write_report(out)
    return results


def record_use_of(plan: Plan) -> SetUse:
    """This look at the questions, in the ledger."""
    task, config = plan.material.task, plan.material.config
    options = config.model_dump(include={"margin", "kind", "race"})
    settings = settings_of_run([plan.key(v) for v in plan.variants], plan.baseline, options)
    return record_use(content_of(task.samples), settings, config.purpose, task.name)


def conclude(
    plan: Plan,
    rows: Mapping[str, Rows],
    times: dict[str, list[float]],
    seconds: float | None = None,
    race: Race | None = None,
    curves: Sequence[LearningCurve] = (),
    use: SetUse | None = None,
    recipes: Sequence[Recipe] = (),
) -> Results:
    """Stages 4 to 6: score, compare, decide. No language model is loaded."""
    task, config = plan.material.task, plan.material.config
    scores: dict[str, Scores] = {
        name: score_rows(plan.metrics, task.samples, answered) for name, answered in rows.items()
    }
    results: tuple[VariantResult, ...] = tuple(
        variant_result(task, plan.metrics, v, rows[v.name], scores[v.name], times.get(v.name, []), settings_of(plan, v))
        for v in plan.variants
    )
    results = with_differences(
        results, scores, task, plan.metrics.primary, plan.baseline, config.margin, sequential=race is not None
    )
    facts = task_facts(plan)
    leaks, clean = leaks_of(plan)
    primary = {name: s[plan.metrics.primary] for name, s in scores.items()}
    verdict = decide(
        results,
        primary,
        facts,
        leaks,
        margin=config.margin,
        clusters=clusters_of(task.samples),
        clean=clean,
        left_out=plan.left_out,
        race=race,
        curves=curves,
        use=use,
    )
    states = {v.name: v.difference.state for v in results if v.difference}
    verdict = verdict.model_copy(update={"cautions": (*verdict.cautions, *recipe_cautions(recipes, states))})
    return Results(
        task=facts,
        baseline=plan.baseline,
        variants=results,
        left_out=plan.left_out,
        verdict=verdict,
        items=items_of(task, rows, scores),
        passages=passages_of(rows),
        training=receipt_of(plan.adapter or plan.context_adapter),
        leaks=leaks,
        curves=tuple(curves),
        recipes=tuple(recipes),
        test_use=use,
        race=race,
        model=plan_identity(plan),
        environment={**environment(), "command": sys.argv},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
    )


def leaks_of(plan: Plan) -> tuple[tuple[Leak, ...], tuple[bool, ...]]:
    """Leakage at every level; meaning is compared where the embedding model is at hand and a language model ran anyway."""
    m, model = plan.material, MiniLMEmbeddings()
    cosines, unchecked = None, ""
    texts = len(m.examples) + len(m.dev) + len(m.task.samples)
    if all(v.family in ("classical", "custom") for v in plan.variants):
        unchecked = "no built-in language-model variant ran, so no embedding model was loaded"
    elif texts > EMBEDDED_AT_MOST:
        unchecked = f"{texts:,} questions are more than the {EMBEDDED_AT_MOST:,} that are embedded for this"
    else:
        try:
            model.place()
            cosines = functools.partial(sentence_cosines, model=model)
        except MachineError as e:
            unchecked = str(e).partition("\n")[0]
    return find_leaks(
        m.examples,
        m.task.samples,
        kind=m.task.kind,
        documents=m.documents,
        dev=m.dev,
        cosines=cosines,
        unchecked=unchecked,
    )


def task_facts(plan: Plan) -> TaskFacts:
    m = plan.material
    return TaskFacts(
        name=m.task.name, kind=m.task.kind, n=len(m.task.samples), labels=len(m.task.labels),
        primary_metric=plan.metrics.primary, fingerprint=m.task.fingerprint, source=m.task.source,
        train_rows=len(m.examples), corpus_documents=len(m.documents), why_kind=m.task.why_kind,
    )  # fmt: skip


def settings_of(plan: Plan, variant: Variant) -> dict[str, Any]:
    """What a reader needs to rebuild the variant."""
    config = plan.material.config
    if variant.family in ("classical", "custom"):
        return {}
    found: dict[str, Any] = {"max_tokens": plan.max_tokens}
    if plan.material.task.kind == "label":
        found["decoding"] = config.decoding
    if variant.shots != "none":
        found |= {"shots": config.shots, "chosen": variant.shots}
    if variant.retrieve:
        found |= {
            "passages": config.passages,
            "passage_words": config.passage_words,
            "retriever": config.retriever,
        }
    if variant.context:
        found["trained_on"] = "passages"
    return found


def plan_identity(plan: Plan) -> dict[str, Any]:
    """Base and adapter as the results' `model`; empty when no language model took part."""
    used = [v for v in plan.variants if v.family not in ("classical", "custom")]
    if not used:
        return {}
    return next((plan.llm_of(v) for v in used if v.tuned), plan.base_llm).identity()


__all__ = ["compare", "conclude", "gather_material"]
