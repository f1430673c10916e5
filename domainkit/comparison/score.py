"""Answered rows to scores, intervals and paired differences. Answers are scored again without a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from textwrap import shorten

from domainkit.corpus.chunk import document_id
from domainkit.errors import ConfigError
from domainkit.evaluation.answers_on_disk import Row
from domainkit.evaluation.kinds import kind_of
from domainkit.evaluation.metrics import BatchMetric, CorpusMetric, ItemMetric, MetricSet, Score, score_answer
from domainkit.evaluation.metrics.citations import checked_quotes
from domainkit.evaluation.task import Sample, Task, clusters_of
from domainkit.evaluation.variant import Variant
from domainkit.results.answers import HIT
from domainkit.results.schema import (
    AnswerPart,
    AnswerRow,
    Difference,
    Estimate,
    Item,
    Latency,
    Passage,
    Usage,
    VariantResult,
)
from domainkit.retrieval import RETRIEVERS
from domainkit.statistics.intervals import estimate, estimate_corpus
from domainkit.statistics.paired import adjust, compare_paired

Scores = dict[str, list[float | None]]
"""Metric name to one score per item, in the task's order."""
Rows = Sequence[Row | None]
"""One per item, in the task's order; None where a raced-out variant was not asked."""


NO_ID_MATCHES = (
    "no passage found has an id, or an id, doc_id or source in its metadata, that the questions name in doc_ids"
)


def score_rows(metrics: MetricSet, samples: Sequence[Sample], rows: Rows) -> Scores:
    """Every metric that scores each answer. An answer that is an error scores 0: it helped nobody."""
    answered = [i for i, row in enumerate(rows) if row is not None]
    questions, texts = [samples[i] for i in answered], [text_of(rows[i]) for i in answered]
    scores: Scores = {}
    for name, metric in metrics.item.items():
        if isinstance(metric, BatchMetric):
            values = metric.many(questions, texts)
        else:
            values = [_score_row(name, metric, samples[i], rows[i]).value for i in answered]
        _check_scores(name, questions, values)
        by_item = dict(zip(answered, values, strict=True))
        scores[name] = [by_item.get(i) for i in range(len(samples))]
    return scores


def _score_row(name: str, metric: ItemMetric, sample: Sample, row: Row | None) -> Score:
    return score_answer(name, metric, sample, text_of(row), row.passages if row is not None else ())


def why_no_evidence(rows: Rows) -> str:
    """Why the answers say nothing of the variant; "" where they do."""
    asked = [row for row in rows if row is not None]
    errors = [row.error for row in asked if row.error is not None]
    if asked and len(errors) == len(asked):
        first = shorten(errors[0].partition("\n")[0], 200, placeholder=" …")
        return f"every question failed, the first with {first}"
    if asked and not any(text_of(row).strip() for row in asked):
        return f"every answer was empty{f', or one of {len(errors)} errors' if errors else ''}"
    return ""


def score_variant(metrics: MetricSet, samples: Sequence[Sample], rows: Rows) -> Scores:
    """`score_rows`, but no score at all where the answers are no evidence: errors alone say nothing of a variant."""
    if why_no_evidence(rows):
        return {name: [None] * len(samples) for name in metrics.item}
    return score_rows(metrics, samples, rows)


def _check_scores(metric: str, questions: Sequence[Sample], values: Sequence[float | None]) -> None:
    """A metric of another package may give anything: a score outside [0, 1] would make every figure wrong."""
    if len(values) != len(questions):
        raise ConfigError(
            f"the metric '{metric}' gave {len(values)} scores for {len(questions)} answers",
            where="metrics",
            next_step="let it give one score, or None, for each answer",
        )
    for question, value in zip(questions, values, strict=True):
        if value is not None and not -1e-9 <= value <= 1 + 1e-9:
            raise ConfigError(
                f"the metric '{metric}' gave {value} for question '{question.id}': a score lies in [0, 1]",
                where="metrics",
                next_step="divide by the largest value, or give None where there is no score",
            )


def variant_result(
    task: Task,
    metrics: MetricSet,
    variant: Variant,
    rows: Rows,
    scores: Scores,
    times: Sequence[float],
    settings: Mapping[str, object],
) -> VariantResult:
    """One variant's estimates, usage and latency; the difference to the baseline is added by `with_differences`."""
    clusters = clusters_of(task.samples)
    found = {
        **{name: _estimate(name, metric, task, rows, scores[name], clusters) for name, metric in metrics.item.items()},
        **{name: _estimate_of_set(task, metric, rows, clusters) for name, metric in metrics.corpus.items()},
    }
    found = {name: found[name] for name in metrics.names if name in found}
    if why := why_no_evidence(rows):
        found = {name: Estimate(value=None, reason=why) for name in found}
    return VariantResult(
        name=variant.name,
        family=variant.family,
        description=variant.description,
        settings=dict(settings),
        metrics=found,
        groups=_by_group(task, scores[metrics.primary]),
        usage=_usage([r for r in rows if r is not None]),
        latency=_latency(times),
        failures=sum(r is not None and r.error is not None for r in rows),
        retrieval=_retrieval(task, rows, own=str(settings.get("retriever", "fused")) not in RETRIEVERS),
    )


def with_differences(
    results: Sequence[VariantResult],
    primary: Mapping[str, Sequence[float | None]],
    task: Task,
    baseline: str,
    margin: float,
    *,
    sequential: bool = False,
) -> tuple[VariantResult, ...]:
    """Each variant's paired difference to the baseline, Holm-adjusted over all of them.

    `primary` are the variants' scores of the primary metric; `sequential` as in compare_paired.
    """
    clusters = clusters_of(task.samples)
    pairs = {
        r.name: compare_paired(primary[r.name], primary[baseline], clusters=clusters, sequential=sequential)
        for r in results
        if r.name != baseline
    }
    differences: dict[str, Difference | None] = adjust(pairs, margin=margin)
    return tuple(r.model_copy(update={"difference": differences.get(r.name)}) for r in results)


def items_of(task: Task, rows: Mapping[str, Rows], scores: Mapping[str, Scores]) -> tuple[Item, ...]:
    """Every question with each variant's answer beside it."""
    return tuple(
        Item(
            id=sample.id,
            input=sample.input,
            target=sample.target,
            references=sample.references,
            group=sample.group,
            doc_ids=sample.doc_ids,
            conversation=sample.conversation,
            system=sample.system,
            turns=sample.turns,
            tools=sample.tools,
            answers={
                name: _answer(row, {m: s[i] for m, s in scores[name].items()}, _parts(task, sample, row))
                for name, column in rows.items()
                if (row := column[i]) is not None
            },
        )
        for i, sample in enumerate(task.samples)
    )


def passages_of(rows: Mapping[str, Rows]) -> dict[str, Passage]:
    """The text of every passage that was in a prompt, once."""
    return {
        p.id: Passage(title=p.title, text=p.text)
        for column in rows.values()
        for row in column
        if row is not None
        for p in row.passages
    }


def _parts(task: Task, sample: Sample, row: Row) -> tuple[AnswerPart, ...]:
    """The parts of an answer, where its kind has some; of a long one its quotes, checked against the passages."""
    if task.kind == "text":
        quotes = checked_quotes(text_of(row), row.passages) if row.passages else ()
        return tuple(
            AnswerPart(name="quote", expected=q if stands else "", given=q, status="match" if stands else "invention")
            for q, stands in quotes
        )
    view = kind_of(task.kind).view
    found = view(sample, text_of(row), task) if view else ()
    return tuple(AnswerPart(name=p.name, expected=p.expected, given=p.given, status=p.status) for p in found)


def _answer(row: Row, scores: dict[str, float | None], parts: tuple[AnswerPart, ...]) -> AnswerRow:
    return AnswerRow(
        text=row.text,
        scores=scores,
        passages=tuple(p.id for p in row.passages),
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        cached_tokens=row.cached_tokens,
        seconds=row.seconds,
        error=row.error,
        parts=parts,
    )


def _estimate(
    name: str,
    metric: ItemMetric | BatchMetric,
    task: Task,
    rows: Rows,
    scores: Sequence[float | None],
    clusters: Sequence[str] | None,
) -> Estimate:
    """The mean of the scores; where some are missing, with the metric's own reason for the first of them."""
    found = estimate(scores, clusters=clusters)
    missing = next(
        (i for i, (row, s) in enumerate(zip(rows, scores, strict=True)) if row is not None and s is None), -1
    )
    if missing < 0 or isinstance(metric, BatchMetric):
        return found
    why = _score_row(name, metric, task.samples[missing], rows[missing]).reason
    return found.model_copy(update={"reason": f"{found.reason}: {why}"}) if why else found


def _estimate_of_set(task: Task, metric: CorpusMetric, rows: Rows, clusters: Sequence[str] | None) -> Estimate:
    answered = [i for i, row in enumerate(rows) if row is not None]
    counts = [metric.counts(task.samples[i], text_of(rows[i])) for i in answered]
    return estimate_corpus(counts, metric.value, clusters=[clusters[i] for i in answered] if clusters else None)


def text_of(row: Row | None) -> str:
    """The answer's text; "" where it is an error, which helped nobody."""
    return row.text if row is not None and row.error is None else ""


def _by_group(task: Task, scores: Sequence[float | None]) -> dict[str, Estimate]:
    groups = sorted({s.group for s in task.samples if s.group})
    if len(groups) < 2:
        return {}
    clusters = clusters_of(task.samples)
    estimates = {}
    for group in groups:
        at = [i for i, s in enumerate(task.samples) if s.group == group]
        estimates[group] = estimate([scores[i] for i in at], clusters=[clusters[i] for i in at] if clusters else None)
    return estimates


def _retrieval(task: Task, rows: Rows, *, own: bool = False) -> dict[str, Estimate]:
    """hit@k: whether a gold document is among the k passages in the prompt. The ids of a retriever of the user's `own`
    may be others than those that the questions name: then nothing is measured."""
    k = max((len(r.passages) for r in rows if r is not None), default=0)
    if not k or not any(s.doc_ids for s in task.samples):
        return {}
    gold = {name for s in task.samples for name in s.doc_ids}
    if own and not any({p.id, document_id(p.id)} & gold for r in rows if r is not None for p in r.passages):
        return {f"{HIT}{k}": Estimate(value=None, reason=NO_ID_MATCHES)}
    hits = [
        float(any({p.id, document_id(p.id)} & {*s.doc_ids} for p in r.passages)) if s.doc_ids and r else None
        for s, r in zip(task.samples, rows, strict=True)
    ]
    return {f"{HIT}{k}": estimate(hits, clusters=clusters_of(task.samples))}


def _usage(rows: Sequence[Row]) -> Usage:
    def mean(values: Sequence[float | None]) -> float | None:
        numbers = [v for v in values if v is not None]
        return fmean(numbers) if numbers else None

    return Usage(
        prompt_tokens=mean([r.prompt_tokens for r in rows]),
        completion_tokens=mean([r.completion_tokens for r in rows]),
        seconds_per_item=mean([r.seconds for r in rows]),
        prefill_seconds_per_item=mean([r.prefill_seconds for r in rows]),
        decode_seconds_per_item=mean([r.decode_seconds for r in rows]),
        memory_bytes=max((r.memory_bytes for r in rows if r.memory_bytes is not None), default=None),
    )


def _latency(times: Sequence[float]) -> Latency:
    if not times:
        return Latency(reason="not timed")
    return Latency(median=median(times), worst=max(times), n=len(times))
