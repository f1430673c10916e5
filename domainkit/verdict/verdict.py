"""The verdict: prompt, retrieve or fine-tune, in the words of the person who decides.

The rule: take the variant with the best mean, compare every other with it on the same items (Holm over all
comparisons), and recommend the simplest one that is not shown to be worse. Where that leaves two families open, the
answer is "cannot tell yet".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domainkit.results.schema import (
    Difference,
    JudgeFacts,
    Leak,
    LearningCurve,
    Recipe,
    SetUse,
    TaskFacts,
    Verdict,
    WithoutLeaks,
)
from domainkit.verdict.cautions import (
    about_earlier_use,
    about_failed,
    about_judges,
    about_leaks,
    about_left_out,
    about_recipes,
    about_second_metric,
    about_synthetic_questions,
    about_the_race,
    about_the_test,
    about_variants,
)
from domainkit.verdict.evidence import (
    LANGUAGE_MODEL,
    SIMPLE,
    SIMPLE_TO_COMBINED,
    TRAINED,
    UNTRAINED,
    Evidence,
    ScoredVariants,
    contrasts,
    evidence_of,
)
from domainkit.verdict.next_action import next_actions
from domainkit.verdict.no_verdict import failed_variants, fails_often, undecided, why_no_verdict
from domainkit.verdict.sentences import answer_of, listed, metric_words, percent, points, without_leaks_sentence


def decide(
    scored: ScoredVariants,
    facts: TaskFacts,
    *,
    leaks: Sequence[Leak] = (),
    clean: Sequence[bool] | None = None,
    left_out: Mapping[str, str] | None = None,
    curves: Sequence[LearningCurve] = (),
    recipes: Sequence[Recipe] = (),
    use: SetUse | None = None,
    judges: Sequence[JudgeFacts] = (),
) -> Verdict:
    """The verdict on a finished comparison.

    `clean` is False for items that leaked, in the order of the scores: the verdict is then drawn again without them,
    and a changed answer is reported. `left_out` is variant to the reason it did not run; `use` is the ledger's count.
    `judges` are the chat models among the metrics: one alone does not decide without a caution.
    """
    left_out = left_out or {}
    e, failed = evidence_of(scored), failed_variants(scored, facts)
    missing = (*about_failed(failed), *about_left_out(left_out))
    why_not = why_no_verdict(e, scored, failed)
    if e is None or why_not:
        broken = [v.name for v in scored.variants if v.name in failed or fails_often(scored, v.name)]
        choice = e.choice if e is not None and not broken else ""
        cautions = (*about_synthetic_questions(facts), *(about_variants(e, facts) if e else ()), *missing)
        return undecided(why_not, choice, cautions, broken)
    without_leaks = _without_leaks(e, scored, clean)
    leaks_decide = without_leaks is not None and without_leaks.changed
    actions = next_actions(e, facts, leaks, leaks_decide=leaks_decide, curves=curves)
    states = {v.name: v.difference.state for v in scored.variants if v.difference}
    return Verdict(
        answer=e.answer,
        choice=e.choice,
        headline=headline(e, facts),
        reasons=tuple(reasons(e)),
        cautions=(
            *about_judges(facts, judges),
            *about_synthetic_questions(facts),
            *about_the_test(e, facts),
            *(about_earlier_use(use, e.means[e.best], facts.n) if use else ()),
            *about_the_race(scored.race),
            *about_leaks(leaks),
            *([without_leaks_sentence(without_leaks)] if without_leaks else ()),
            *about_second_metric(e, facts),
            *about_variants(e, facts),
            *missing,
            *about_recipes(recipes, states),
        ),
        next_steps=tuple(a.sentence for a in actions),
        tied=e.tied[1:],
        action=actions[0],
        without_leaks=without_leaks,
    )


def _without_leaks(e: Evidence, scored: ScoredVariants, clean: Sequence[bool] | None) -> WithoutLeaks | None:
    """The verdict on the clean items alone; None where every item is clean, or none is."""
    if clean is None or all(clean) or not any(clean):
        return None
    other = evidence_of(scored.subset(clean))
    if other is None:
        return None
    changed = (other.answer, other.choice) != (e.answer, e.choice)
    return WithoutLeaks(answer=other.answer, choice=other.choice, changed=changed)


def headline(e: Evidence, facts: TaskFacts) -> str:
    choice = e.choice
    if len(e.variants) == 1:
        return f"Cannot tell: {choice} reaches {_score(e, choice, facts)}, and was compared with no other variant."
    if not e.one_family_left:
        gap = e.difference(e.best, choice)
        by = f" by {points(gap)}" if gap else ""
        return (
            f"Cannot tell yet: {e.best} ({percent(e.means[e.best])}) is ahead of the simpler {choice} "
            f"({percent(e.means[choice])}){by}, but {facts.n} questions are too few to be sure. "
            f"Until then, use {choice}."
        )
    without = " without a language model" if e.family(choice) in ("trivial", "classical") else ""
    return f"{_advice(e)}: {choice} reaches {_score(e, choice, facts)}{without}.{_against_rival(e)}"


def _advice(e: Evidence) -> str:
    family = e.family(e.choice)
    if family == "custom":
        return f"Use {e.choice}"
    trained, words = e.best_of(TRAINED), answer_of(e.variants[e.choice])
    if family in UNTRAINED and trained is not None:
        gap = e.difference(e.choice, trained) or e.difference(e.best, trained)
        unsure = gap is None or gap.state == "CANNOT TELL YET"
        return f"Do not fine-tune{' yet' if unsure else ''}, {words}"
    return words[:1].upper() + words[1:]


def _against_rival(e: Evidence) -> str:
    """The choice against the best variant, where that is another, or else the best of the other families."""
    family = e.family(e.choice)
    rival = e.best if e.best != e.choice else e.best_of(f for f in SIMPLE_TO_COMBINED if f != family)
    d = e.difference(e.choice, rival) if rival else None
    if rival is None or d is None:
        return ""
    score = percent(e.means[rival])
    if d.state == "BETTER":
        alone = family in SIMPLE and e.family(rival) in LANGUAGE_MODEL
        others = "the best language-model variant" if alone else "the best variant of another kind"
        return f" It is above {others}, {rival} ({score}): {points(d)}."
    if d.state == "EQUIVALENT":
        return f" It is as good as {rival} ({score}): {points(d)}, inside the margin of {100 * d.margin:.1f}."
    return f" It cannot be distinguished from {rival} ({score}): {points(d)}."


def reasons(e: Evidence) -> list[str]:
    """What each addition brings, then why the choice is the choice."""
    sentences = []
    for added, having, lacking in contrasts(e):
        d = e.difference(having, lacking)
        if d is not None:
            sentences.append(f"What {added}: {relation(having, lacking, d)}.")
    others = [name for name in e.tied if name != e.choice]
    if others:
        sentences.append(
            f"{e.choice} is the simplest of the {len(e.tied)} variants that are not shown to be worse than the best; "
            f"the other{'s are' if len(others) > 1 else ' is'} {listed(others)}."
        )
    return sentences


def relation(a: str, b: str, d: Difference) -> str:
    """One clause on a against b, with the difference and its interval."""
    if d.state == "EQUIVALENT":
        return f"{a} and {b} are equivalent, {points(d)}, inside the margin of {100 * d.margin:.1f}"
    if d.state == "CANNOT TELL YET":
        return f"{a} and {b} cannot be distinguished yet, {points(d)}"
    return f"{a} is {'above' if d.state == 'BETTER' else 'below'} {b}, {points(d)}"


def _score(e: Evidence, name: str, facts: TaskFacts) -> str:
    metric = metric_words(facts.primary_metric)
    score = e.variants[name].metrics.get(facts.primary_metric)
    if score is None or score.low is None or score.high is None:
        return f"{percent(e.means[name])} {metric}"
    return f"{percent(e.means[name])} {metric} ({100 * score.low:.1f} to {100 * score.high:.1f})"
