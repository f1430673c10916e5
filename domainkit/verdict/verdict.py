"""The verdict: prompt, retrieve or fine-tune, in the words of the person who decides.

The rule: take the variant with the best mean, compare every other with it on the same items (Holm over all
comparisons), and recommend the simplest one that is not shown to be worse. Where that leaves two families open, the
answer is "cannot tell yet".
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from math import sqrt

from scipy.special import ndtri

from domainkit.evaluation.variant import Family
from domainkit.results.schema import Difference, Leak, LearningCurve, Race, SetUse, TaskFacts, VariantResult, Verdict
from domainkit.verdict.evidence import SIMPLE_TO_COMBINED, TRAINED, UNTRAINED, Evidence, Scores, contrasts, weigh
from domainkit.verdict.next_action import next_actions
from domainkit.verdict.sentences import percent, points
from domainkit.verdict.test_set_ledger import cautions as ledger_cautions
from domainkit.verdict.test_set_ledger import luck

CANNOT_TELL = "cannot tell yet"
ANSWERS: dict[Family, str] = {
    "classical": "use a classical model",
    "prompt": "prompt",
    "retrieve": "retrieve",
    "tune": "fine-tune",
    "combine": "fine-tune and retrieve",
    "custom": "custom",
}
FEW = 200
"""Questions below which the smallest difference that can be seen is told."""


def decide(
    variants: Sequence[VariantResult],
    scores: Scores,
    facts: TaskFacts,
    leaks: Sequence[Leak] = (),
    *,
    margin: float = 0.02,
    clusters: Sequence[Hashable] | None = None,
    clean: Sequence[bool] | None = None,
    left_out: Mapping[str, str] | None = None,
    race: Race | None = None,
    curves: Sequence[LearningCurve] = (),
    use: SetUse | None = None,
) -> Verdict:
    """The verdict on a finished comparison.

    `scores` are each variant's scores of the primary metric, one per item in one order; `clusters` and `clean` follow
    that order, which after a `race` is the one asked in. `clean` is False for items that leaked: the verdict is then drawn
    again without them, and a changed answer is told. `margin` is the difference that would not matter, as a fraction; `left_out` says why
    variants did not run; `curves` are learning curves, where some were drawn; `use`
    is the ledger's count.
    """
    left_out = left_out or {}
    e = weigh(variants, scores, margin=margin, clusters=clusters, race=race)
    if e is None:
        return Verdict(
            answer=CANNOT_TELL,
            choice="",
            headline="Cannot tell: no variant gave an answer that could be scored.",
            cautions=tuple(f"{name} was left out: {reason}." for name, reason in left_out.items()),
        )
    without_leaks = _without_leaks(variants, scores, clean, clusters, margin, race)
    changed = without_leaks is not None and not _same(e, without_leaks)
    actions = next_actions(e, facts, leaks, leaks_decide=changed, curves=curves)
    return Verdict(
        answer=answer(e),
        choice=e.choice,
        headline=headline(e, facts),
        reasons=tuple(reasons(e)),
        cautions=(
            *_about_the_test(e, facts),
            *(ledger_cautions(use, e.means[e.best], facts.n) if use else ()),
            *_about_the_race(race),
            *_about_leaks(e, leaks, without_leaks),
            *_about_variants(e, facts, left_out),
        ),
        next_steps=tuple(a.sentence for a in actions),
        tied=e.tied[1:],
        action=actions[0],
    )


def answer(e: Evidence) -> str:
    return ANSWERS[e.family(e.choice)] if e.settled else CANNOT_TELL


def _without_leaks(
    variants: Sequence[VariantResult],
    scores: Scores,
    clean: Sequence[bool] | None,
    clusters: Sequence[Hashable] | None,
    margin: float,
    race: Race | None,
) -> Evidence | None:
    """The evidence of the clean items alone; None where every item is clean, or none."""
    if clean is None or all(clean) or not any(clean):
        return None
    kept = [i for i, is_clean in enumerate(clean) if is_clean]
    fewer = {name: [values[i] for i in kept] for name, values in scores.items() if len(values) == len(clean)}
    left = None if clusters is None else [clusters[i] for i in kept]
    return weigh(variants, fewer, margin=margin, clusters=left, race=race)


def headline(e: Evidence, facts: TaskFacts) -> str:
    choice = e.choice
    if not e.settled:
        gap = e.difference(e.best, choice)
        ahead = f"is ahead of the simpler {choice} ({percent(e.means[choice])})" + (f" by {points(gap)}" if gap else "")
        return (
            f"Cannot tell yet: {e.best} ({percent(e.means[e.best])}) {ahead}, which {facts.n} questions do not settle; "
            f"until they do, use {choice}."
        )
    without = " without any language model" if e.family(choice) == "classical" else ""
    return f"{_advice(e)}: {choice} reaches {_score(e, choice, facts)}{without}{_against_rival(e)}."


def _advice(e: Evidence) -> str:
    family = e.family(e.choice)
    if family == "classical":
        return "Use a classical model"
    if family == "custom":
        return f"Use {e.choice}"
    trained = e.best_of(TRAINED)
    if family in UNTRAINED and trained is not None:
        gap = e.difference(e.choice, trained) or e.difference(e.best, trained)
        unsure = gap is None or gap.state == "CANNOT TELL YET"
        return f"Do not fine-tune{' yet' if unsure else ''}, {ANSWERS[family]}"
    return ANSWERS[family].capitalize()


def _against_rival(e: Evidence) -> str:
    """How the choice stands to the best of the other families, or to the best, where that is another."""
    own = e.family(e.choice)
    rival = e.best if e.best != e.choice else e.best_of(f for f in SIMPLE_TO_COMBINED if f != own)
    d = e.difference(e.choice, rival) if rival else None
    if rival is None or d is None:
        return ""
    named = f"{rival} ({percent(e.means[rival])}): {points(d)}"
    if d.state == "BETTER":
        others = "every language-model variant" if own == "classical" else "every other kind of variant"
        return f", above {others}, the best of which is {named}"
    if d.state == "EQUIVALENT":
        return f", as good as {named}, inside the margin of {100 * d.margin:.1f}"
    return f"; it is not told apart from {named}"


def reasons(e: Evidence) -> list[str]:
    """What each addition brings, then why the choice is the choice."""
    found = []
    for added, having, lacking in contrasts(e):
        d = e.difference(having, lacking)
        if d is not None:
            found.append(f"What {added}: {relation(having, lacking, d)}.")
    if len(e.tied) > 1:
        others = ", ".join(name for name in e.tied if name != e.choice)
        found.append(
            f"{e.choice} is the simplest of the {len(e.tied)} not shown to be worse than the best (also {others})."
        )
    return found


def _about_the_test(e: Evidence, facts: TaskFacts) -> list[str]:
    found = []
    if facts.n < FEW:
        # n = (z_.975 + z_.8)² · ψ / δ² for two variants that disagree on a share ψ of the items, here a fifth
        visible = (ndtri(0.975) + ndtri(0.8)) * sqrt(0.2 / max(facts.n, 1))
        found.append(
            f"{facts.n} test questions are few: a true difference under about {100 * min(visible, 1):.0f} points "
            "is likely missed."
        )
    rivals = len(e.tied)
    if rivals > 1:
        found.append(
            f"{e.best} is the best of {rivals} that are close, judged on the questions it was picked by: up to about "
            f"{100 * luck(rivals, e.means[e.best], facts.n):.1f} points of its score may be luck."
        )
    return found


def _about_the_race(race: Race | None) -> list[str]:
    if race is None:
        return []
    found = []
    if race.questions < race.of:
        found.append(
            f"The race was decided after {race.questions} of {race.of} questions: the order is clear, the scores are rougher."
        )
    if race.out:
        named = ", ".join(f"{name} after {o.answered} (worse than {o.better})" for name, o in race.out.items())
        found.append(f"Raced out, so scored on fewer questions: {named}.")
    return found


LEAKED = {
    "exact": "word for word",
    "ngram": "in a run of words",
    "near": "nearly word for word",
    "answer": "by their answer",
}
PLACES = {"train": "train", "index": "the retrieved documents", "dev": "the development questions"}


def _about_leaks(e: Evidence, leaks: Sequence[Leak], without: Evidence | None) -> list[str]:
    found = []
    for leak in leaks:
        if leak.count and leak.counted:
            of = f"{leak.count} test question{'s are' if leak.count > 1 else ' is'}"
            reader = "what was chosen on them" if leak.against == "dev" else f"what learns from {PLACES[leak.against]}"
            reader = "retrieval" if leak.against == "index" else reader
            found.append(
                f"{of} also in {PLACES[leak.against]}, {LEAKED.get(leak.level, leak.level)}: {reader} looks better there."
            )
    if without is not None:
        kept = "stays the same" if _same(e, without) else f"changes to '{answer(without)}' ({without.choice})"
        found.append(f"Without the leaked questions the verdict {kept}.")
    return found


def _same(e: Evidence, other: Evidence) -> bool:
    return (answer(other), other.choice) == (answer(e), e.choice)


def _about_variants(e: Evidence, facts: TaskFacts, left_out: Mapping[str, str]) -> list[str]:
    found = []
    for name, v in e.variants.items():
        unread = v.metrics.get("parse_failure")
        if unread is not None and unread.value is not None and unread.value > 0.05:
            found.append(f"{name}: {percent(unread.value)} of its answers name no label of the task.")
        if v.failures:
            found.append(f"{name}: {v.failures} of {facts.n} questions raised an error and count as 0.")
    prompted = e.best_of(("prompt",))
    if prompted is not None and e.means[prompted] < _chance(facts) + 0.15:
        found.append(
            f"The base model is weak here (best prompt: {prompted}, {percent(e.means[prompted])}): "
            "a stronger base may change the order."
        )
    return [*found, *(f"{name} was left out: {reason}." for name, reason in left_out.items())]


def _chance(facts: TaskFacts) -> float:
    return 1 / facts.labels if facts.kind == "label" and facts.labels else 0.0


def relation(a: str, b: str, d: Difference) -> str:
    """One clause on a against b, with the difference and its interval."""
    if d.state == "EQUIVALENT":
        return f"{a} and {b} are equivalent, {points(d)}, inside the margin of {100 * d.margin:.1f}"
    if d.state == "CANNOT TELL YET":
        return f"{a} and {b} cannot be told apart yet, {points(d)}"
    return f"{a} is {'above' if d.state == 'BETTER' else 'below'} {b}, {points(d)}"


def _score(e: Evidence, name: str, facts: TaskFacts) -> str:
    metric = facts.primary_metric.replace("_", " ").replace(" f1", " F1")
    found = e.variants[name].metrics.get(facts.primary_metric)
    if found is None or found.low is None or found.high is None:
        return f"{percent(e.means[name])} {metric}"
    return f"{percent(e.means[name])} {metric} ({100 * found.low:.1f} to {100 * found.high:.1f})"
