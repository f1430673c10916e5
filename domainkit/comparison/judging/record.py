"""What the results say of the judges: what they are and took, and their word on pairs of answers."""

from __future__ import annotations

from collections.abc import Sequence

from domainkit.comparison.asking.answer import Answers
from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.comparison.score import text_of
from domainkit.evaluation.kept_scores import KeptScores
from domainkit.evaluation.metrics.judge import Judge
from domainkit.evaluation.metrics.judge_pairs import JudgedPair, judge_both_orders
from domainkit.evaluation.task import clusters_of
from domainkit.llm.named_model import is_named, model_name, runs_here
from domainkit.results.schema import JudgedPairs, JudgeFacts
from domainkit.statistics.paired import adjust, compare_paired


def judge_facts(plan: ComparisonPlan, kept: Sequence[KeptScores]) -> tuple[JudgeFacts, ...]:
    """What each judge is, and what its replies took so far."""
    return tuple(_facts(plan, metric, metric.metric) for metric in kept if isinstance(metric.metric, Judge))


def _facts(plan: ComparisonPlan, kept: KeptScores, metric: Judge) -> JudgeFacts:
    spent, name = kept.spent(), model_name(metric.model)
    return JudgeFacts(
        metric=kept.name,
        model=name,
        rubric=metric.rubric,
        local=runs_here(metric.model),
        requests=spent.scores,
        asked=spent.asked,
        unreadable=spent.unreadable,
        failed=spent.failed,
        prompt_tokens=spent.prompt_tokens,
        completion_tokens=spent.completion_tokens,
        seconds=spent.seconds,
        own_answers=_own_answers(plan, name),
    )


def _own_answers(plan: ComparisonPlan, judge: str) -> tuple[str, ...]:
    """The variants that answer with the model of that name: a judge may prefer its own answers."""
    models = [v for v in plan.variants if v.runnable is not None and is_named(v.runnable)]
    own = [v.name for v in models if model_name(v.runnable) == judge]
    own += [v.name for v in plan.variants if v.model and plan.inputs.models[v.model].model.name == judge]
    built_in = [v.name for v in plan.variants if v.uses_base]
    return (*own, *(built_in if built_in and model_name(plan.base_llm) == judge else ()))


def judged_pairs(plan: ComparisonPlan, answers: Answers, choice: str) -> JudgedPairs | None:
    """The recommended variant against the baseline by the judge of pairs; None where there is no such judge."""
    judge = plan.inputs.metrics.pairs
    if judge is None:
        return None
    record = JudgedPairs(variant=choice, baseline=plan.baseline)
    if not choice or choice == plan.baseline:
        why = "the recommended variant is the baseline" if choice else "no variant is recommended"
        return record.model_copy(update={"reason": why})
    rows = list(zip(answers.task.samples, answers.rows[choice], answers.rows[plan.baseline], strict=True))
    both = [(sample, left, right) for sample, left, right in rows if left is not None and right is not None]
    samples = [sample for sample, _, _ in both]
    pairs = judge_both_orders(judge, samples, [text_of(a) for _, a, _ in both], [text_of(b) for _, _, b in both])
    values, nothing = [pair.value for pair in pairs], [0.0] * len(pairs)
    paired = compare_paired(values, nothing, clusters=clusters_of(samples), sequential=answers.race is not None)
    difference = adjust({"pairs": paired}, margin=plan.inputs.config.margin)["pairs"]
    reason = "" if difference else "no pair has a verdict in both orders"
    return record.model_copy(update={"difference": difference, "reason": reason, **_biases(pairs)})


def _biases(pairs: Sequence[JudgedPair]) -> dict[str, int]:
    """How often place and length went with the verdict."""
    inconsistent = [p for p in pairs if p.inconsistent]
    decided = [p for p in pairs if p.value and p.longer]
    return {
        "identical": sum(not p.asked for p in pairs),
        "unreadable": sum(p.value is None for p in pairs),
        "inconsistent": len(inconsistent),
        "first": sum((p.left_first, p.right_first) == (1, 0) for p in inconsistent),
        "last": sum((p.left_first, p.right_first) == (0, 1) for p in inconsistent),
        "decided": len(decided),
        "longer": sum(p.value == p.longer for p in decided),
    }
