"""From answers to results: scores, leakage, the ledger of test sets, the verdict. No language model is loaded."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from domainkit.comparison.asking.answer import Answers
from domainkit.comparison.cost_and_forgetting import receipt_of
from domainkit.comparison.fitting.replicas import seed_of
from domainkit.comparison.judging.record import judge_facts, judged_pairs
from domainkit.comparison.learning_curves import draw_curves
from domainkit.comparison.model_facts import model_facts
from domainkit.comparison.planning.payments import paid_as
from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.comparison.score import (
    Scores,
    items_of,
    passages_of,
    score_variant,
    variant_result,
    with_differences,
)
from domainkit.corpus.document import Document
from domainkit.errors import MachineError
from domainkit.evaluation.kinds import kind_of
from domainkit.evaluation.task import Task, clusters_of
from domainkit.evaluation.variant import Variant
from domainkit.machine import environment
from domainkit.messages import JsonObject
from domainkit.models import DEFAULT_BASE
from domainkit.results.schema import (
    Leak,
    LearningCurve,
    Passage,
    Recipe,
    Results,
    SetUse,
    Synthetic,
    TaskFacts,
    VariantResult,
)
from domainkit.retrieval.dense import sentence_cosines
from domainkit.retrieval.embeddings import MiniLMEmbeddings
from domainkit.statistics.seeds import recipe_of
from domainkit.verdict.evidence import ScoredVariants
from domainkit.verdict.leakage import find_leaks
from domainkit.verdict.test_set_ledger import content_of, record_use, settings_of_run
from domainkit.verdict.verdict import decide

LEAST_ITEMS = 2
"""Questions with a score of every seed: with fewer there is no interval over items and seeds."""
EMBEDDED_AT_MOST = 20_000
"""Questions whose meaning is compared for leakage: some minutes on two cores."""


@dataclass(frozen=True)
class Scored:
    """What the answers are worth."""

    variants: tuple[VariantResult, ...]
    scores: dict[str, Scores]
    """By variant."""
    primary: dict[str, list[float | None]]
    """Each variant's scores of the primary metric."""
    curves: tuple[LearningCurve, ...]
    recipes: tuple[Recipe, ...]


def score_answers(plan: ComparisonPlan, answers: Answers, times: Mapping[str, Sequence[float]]) -> Scored:
    """Scores with intervals, differences to the baseline, learning curves, and what holds over training seeds."""
    task, config, metrics = answers.task, plan.inputs.config, plan.inputs.metrics
    scores = {name: score_variant(metrics, task.samples, rows) for name, rows in answers.rows.items()}
    primary = {name: columns[metrics.primary] for name, columns in scores.items()}
    results = [
        variant_result(
            task, metrics, v, answers.rows[v.name], scores[v.name], times.get(v.name, ()), settings_of(plan, v)
        )
        for v in plan.variants
    ]
    for i, variant in enumerate(plan.variants):
        if variant.context or (variant.tuned and variant.model):
            results[i] = results[i].model_copy(update={"training": receipt_of(plan.adapter_of(variant))})
        if variant.classical != "none":
            results[i] = results[i].model_copy(update={"description": plan.simple.description(variant)})
        if variant.classical == "encoder":
            results[i] = results[i].model_copy(update={"training": plan.simple.encoder.receipt})
    compared = with_differences(
        results, primary, task, plan.baseline, config.margin, sequential=answers.race is not None
    )
    return Scored(compared, scores, primary, draw_curves(plan, answers), _recipes(plan, answers, primary))


def decide_results(plan: ComparisonPlan, answers: Answers, scored: Scored, seconds: float) -> Results:
    """The results with their verdict. Cost and forgetting are not in them yet."""
    task = answers.task
    passages = passages_of(answers.rows)
    leaks, clean = leaks_of(plan, task, passages)
    use = record_use_of(plan)
    facts = task_facts(plan, task)
    measured = ScoredVariants(
        scored.variants,
        scored.primary,
        plan.inputs.config.margin,
        clusters_of(task.samples),
        answers.race,
        {name: [row is not None and row.error is not None for row in rows] for name, rows in answers.rows.items()},
    )
    verdict = decide(
        measured,
        facts,
        leaks=leaks,
        clean=clean,
        left_out=plan.left_out,
        curves=scored.curves,
        recipes=scored.recipes,
        use=use,
        judges=judge_facts(plan, plan.inputs.metrics.judges),
    )
    pairs = judged_pairs(plan, answers, verdict.choice)
    return Results(
        task=facts,
        baseline=plan.baseline,
        variants=scored.variants,
        left_out=plan.left_out,
        verdict=verdict,
        items=items_of(task, answers.rows, scored.scores),
        passages=passages,
        training=receipt_of(plan.adapter or plan.context_adapter),
        leaks=leaks,
        curves=scored.curves,
        recipes=scored.recipes,
        test_use=use,
        race=answers.race,
        judges=judge_facts(plan, plan.inputs.metrics.judges),
        judged_pairs=pairs,
        models=model_facts(plan, task, answers.rows),
        model=model_identity(plan),
        environment={**environment(), "command": sys.argv},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
    )


def _recipes(plan: ComparisonPlan, answers: Answers, primary: Mapping[str, list[float | None]]) -> tuple[Recipe, ...]:
    """For each variant that answered with the replicas: score and difference to the baseline, over items and seeds."""
    metrics, samples = plan.inputs.metrics.primary_only, answers.task.samples
    adapters = [a for a in (plan.adapter, *plan.replicas) if a is not None]
    recipes = []
    for name, replicas in answers.replicas.items():
        columns = [primary[name], *(score_variant(metrics, samples, rows)[metrics.primary] for rows in replicas)]
        baseline = None if name == plan.baseline else primary[plan.baseline]
        if sum(None not in scores for scores in zip(*columns, strict=True)) < LEAST_ITEMS:
            continue
        by_seed = dict(zip(map(seed_of, adapters), columns, strict=True))
        clusters, margin = clusters_of(samples), plan.inputs.config.margin
        recipes.append(recipe_of(name, by_seed, plan.baseline, baseline, clusters=clusters, margin=margin))
    return tuple(recipes)


def record_use_of(plan: ComparisonPlan) -> SetUse:
    """This comparison on these questions, written into the ledger."""
    task, config = plan.inputs.task, plan.inputs.config
    options = config.model_dump(include={"margin", "kind", "race"})
    if config.metrics is not None:
        options["metrics"] = plan.inputs.metrics.names
    # A Runnable that nothing tells from another has a new key each time: its name stands for it here.
    keys = [v.name if plan.identities.get(v.name, "") is None else plan.key(v) for v in plan.variants]
    settings = settings_of_run(keys, plan.baseline, options)
    return record_use(content_of(task.samples), settings, config.purpose, task.name)


def leaks_of(
    plan: ComparisonPlan, task: Task, found: Mapping[str, Passage] | None = None
) -> tuple[tuple[Leak, ...], tuple[bool, ...]]:
    """Leakage at every level, and whether each question is clean. Of the user's own store, which cannot be read as a
    whole, the passages that were `found` are checked."""
    inputs, model = plan.inputs, MiniLMEmbeddings()
    documents = inputs.documents
    if inputs.retriever is not None:
        named = (found or {}).items()
        documents = (*documents, *(Document(id=id, source=id, title=p.title, text=p.text) for id, p in named if p.text))
    unchecked = _why_not_embedded(plan, task, model)
    return find_leaks(
        inputs.examples,
        task.samples,
        kind=task.kind,
        documents=documents,
        dev=inputs.dev,
        cosines=None if unchecked else functools.partial(sentence_cosines, model=model),
        unchecked=unchecked,
    )


def _why_not_embedded(plan: ComparisonPlan, task: Task, model: MiniLMEmbeddings) -> str:
    """Why meaning is not compared; "" where it is: the embedding model is there, and a language model ran anyway."""
    texts = len(plan.inputs.examples) + len(plan.inputs.dev) + len(task.samples)
    if not any(v.uses_llm for v in plan.variants):
        return "no built-in language-model variant ran, so no embedding model was loaded"
    if texts > EMBEDDED_AT_MOST:
        return f"{texts:,} questions are more than the {EMBEDDED_AT_MOST:,} that are embedded for this"
    try:
        model.resolve()
    except MachineError as e:
        return str(e).partition("\n")[0]
    return ""


def task_facts(plan: ComparisonPlan, task: Task) -> TaskFacts:
    return TaskFacts(
        name=task.name,
        kind=task.kind,
        n=len(task.samples),
        labels=len(task.labels),
        primary_metric=plan.inputs.metrics.primary,
        fingerprint=task.fingerprint,
        source=task.source,
        train_rows=len(plan.inputs.examples),
        corpus_documents=len(plan.inputs.documents),
        why_kind=task.why_kind,
        synthetic=_synthetic(plan, task),
        columns=task.columns,
    )


def _synthetic(plan: ComparisonPlan, task: Task) -> Synthetic | None:
    """Who wrote the questions, where models did."""
    made = [s for s in task.samples if s.synthetic]
    if not made:
        return None
    writers = tuple(sorted({s.writer for s in made} - {""}))
    asked = any(v.uses_base for v in plan.variants)
    return Synthetic(
        questions=len(made),
        writers=writers,
        by_own_base=asked and (plan.base_llm.base or DEFAULT_BASE) in writers,
    )


def settings_of(plan: ComparisonPlan, variant: Variant) -> JsonObject:
    """What a reader needs to rebuild the variant."""
    config = plan.inputs.config
    if variant.classical != "none":
        return plan.simple.settings(variant)
    if not variant.uses_llm:
        return {"paid_as": name} if (name := paid_as(variant)) else {}
    limit = plan.max_tokens if variant.model is None else plan.max_tokens_of(variant.model)
    settings: JsonObject = {"max_tokens": limit} if limit else {}
    if variant.model is not None:
        settings["runs_on"] = variant.model
    if kind_of(plan.inputs.task.kind).constraint(plan.inputs.task):
        settings["decoding"] = config.decoding
    if config.thinking is not None and not variant.tuned:
        settings["thinking"] = config.thinking
    if variant.shots != "none":
        settings |= {"shots": config.shots, "chosen": variant.shots}
    if variant.retrieve:
        # A retriever of the user's own gives passages as they are in its store.
        cut = () if plan.inputs.retriever is not None and not variant.oracle else ("passage_words",)
        settings |= config.model_dump(include={"passages", "retriever", *cut})
    if variant.context:
        settings["trained_on"] = "passages"
    return settings


def model_identity(plan: ComparisonPlan) -> JsonObject:
    """Base and adapter as the results' `model`; empty when no language model took part."""
    variants = [v for v in plan.variants if v.uses_base]
    if not variants:
        return {}
    return next((plan.llm_of(v) for v in variants if v.tuned), plan.base_llm).identity() | plan.served
