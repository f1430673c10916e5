"""The verdict: prompt, retrieve or fine-tune, in the words of the person who decides.

The rule: take the variant with the best mean, compare every other with it on the same items (Holm over all
comparisons), and recommend the simplest one that is not shown to be worse. Where that leaves two families open, the
answer is "cannot tell yet".
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from math import sqrt

from scipy.special import ndtri

from domainkit.evaluation.evidence import SIMPLE_TO_COMBINED, TRAINED, UNTRAINED, Evidence, Scores, contrasts, weigh
from domainkit.evaluation.results import Difference, Leak, TaskFacts, VariantResult, Verdict
from domainkit.evaluation.variant import Family

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
NOT_WORTH_LABELLING = 20
"""A difference that needs this many times the questions at hand is said to be too small to settle."""


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
) -> Verdict:
    """The verdict on a finished comparison.

    `scores` are each variant's scores of the primary metric, one per item in one order; `clusters` and `clean` follow
    that order. `clean` is False for items that leaked into train: the verdict is then drawn again without them, and a
    changed answer is told. `margin` is the difference that would not matter, as a fraction; `left_out` says why
    variants did not run.
    """
    left_out = left_out or {}
    e = weigh(variants, scores, margin=margin, clusters=clusters)
    if e is None:
        return Verdict(
            answer=CANNOT_TELL,
            choice="",
            headline="Cannot tell: no variant gave an answer that could be scored.",
            cautions=tuple(f"{name} was left out: {reason}." for name, reason in left_out.items()),
        )
    without_leaks = _without_leaks(variants, scores, clean, clusters, margin)
    return Verdict(
        answer=answer(e),
        choice=e.choice,
        headline=headline(e, facts),
        reasons=tuple(reasons(e)),
        cautions=(
            *_about_the_test(e, facts),
            *_about_leaks(e, leaks, without_leaks),
            *_about_variants(e, facts, left_out),
        ),
        next_steps=tuple(next_steps(e, facts, leaks)),
        tied=e.tied[1:],
    )


def answer(e: Evidence) -> str:
    return ANSWERS[e.family(e.choice)] if e.settled else CANNOT_TELL


def _without_leaks(
    variants: Sequence[VariantResult],
    scores: Scores,
    clean: Sequence[bool] | None,
    clusters: Sequence[Hashable] | None,
    margin: float,
) -> Evidence | None:
    """The evidence of the clean items alone; None where every item is clean, or none."""
    if clean is None or all(clean) or not any(clean):
        return None
    kept = [i for i, is_clean in enumerate(clean) if is_clean]
    fewer = {name: [values[i] for i in kept] for name, values in scores.items() if len(values) == len(clean)}
    return weigh(variants, fewer, margin=margin, clusters=None if clusters is None else [clusters[i] for i in kept])


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
        mean = min(max(e.means[e.best], 0.0), 1.0)
        # Blom 1958: the expected largest of k standard normal values
        luck = ndtri((rivals - 0.375) / (rivals + 0.25)) * sqrt(mean * (1 - mean) / max(facts.n, 1))
        found.append(
            f"{e.best} is the best of {rivals} that are close, judged on the questions it was picked by: up to about "
            f"{100 * luck:.1f} points of its score may be luck."
        )
    return found


def _about_leaks(e: Evidence, leaks: Sequence[Leak], without: Evidence | None) -> list[str]:
    found = []
    words = {"exact": "word for word", "near": "nearly word for word"}
    for leak in leaks:
        if leak.count:
            of = f"{leak.count} test question{'s are' if leak.count > 1 else ' is'}"
            found.append(
                f"{of} also in train, {words.get(leak.level, leak.level)}: what learns from train looks better there."
            )
    if without is not None:
        same = (answer(without), without.choice) == (answer(e), e.choice)
        kept = "stays the same" if same else f"changes to '{answer(without)}' ({without.choice})"
        found.append(f"Without the leaked questions the verdict {kept}.")
    return found


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


def next_steps(e: Evidence, facts: TaskFacts, leaks: Sequence[Leak]) -> list[str]:
    found = [*_settle(e), *_mend_retrieval(e)]
    if e.best_of(TRAINED) is None:
        found.append(
            "Train an adapter (domainkit train) and compare again: nothing here says what fine-tuning would bring."
        )
    elif e.family(e.choice) in UNTRAINED and 0 < facts.train_rows < FEW:
        found.append(
            f"Fine-tuning saw {facts.train_rows} examples; 200 to 500 are often enough, fewer often not: add some."
        )
    tuned, combined = e.best_of(("tune",)), e.best_of(("combine",))
    gap = e.difference(combined, tuned) if tuned and combined else None
    if gap is not None and gap.state == "WORSE":
        found.append(
            "Passages hurt the tuned model: train it with passages in its prompts, gold and distracting ones (RAFT)."
        )
    if sum(leak.count for leak in leaks):
        found.append("Take the leaked questions out of train, train again and compare again.")
    if e.settled and len(e.tied) > 1:
        found.append(f"Check {e.choice} once on questions that played no part here.")
    return found


def _settle(e: Evidence) -> list[str]:
    """How many more questions would decide between the choice and the best."""
    gap = e.difference(e.best, e.choice)
    if gap is None or gap.state != "CANNOT TELL YET":
        return []
    if gap.needed is None or gap.needed > NOT_WORTH_LABELLING * gap.n:
        return [f"{e.best} and {e.choice} are too close to settle with more questions: take the simpler one."]
    return [
        f"Label about {_rounded(gap.needed - gap.n)} more questions: if {e.best} and {e.choice} differ in truth as "
        "they do here, that settles it in four cases of five."
    ]


def _mend_retrieval(e: Evidence) -> list[str]:
    """Whether the gold document is found, and if so whether the model uses it."""
    retrieving = [name for name in e.variants if e.variants[name].retrieval]
    if not retrieving:
        return []
    name = max(retrieving, key=e.means.__getitem__)
    hits = {
        int(m[0]): h.value
        for k, h in e.variants[name].retrieval.items()
        if (m := re.findall(r"\d+", k)) and h.value is not None
    }
    if not hits:
        return []
    k = max(hits)
    among = f"among the {k} passages given" if k > 1 else "as the passage given"
    if hits[k] < 0.8:
        return [
            f"Retrieval has the gold document {among} for only {percent(hits[k])} of questions: mend retrieval "
            "first (passage size, lexical and dense together), then compare again."
        ]
    if e.means[name] < hits[k] - 0.2:
        return [
            f"The gold document is {among} for {percent(hits[k])} of questions, yet {name} reaches "
            f"{percent(e.means[name])}: the model does not use what it is given. Train it with passages in prompts, "
            "or take a stronger base."
        ]
    return []


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


def percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def points(d: Difference) -> str:
    """+4.0 points (1.1 to 6.9), with a true minus sign."""
    return f"{100 * d.value:+.1f} points ({100 * d.low:.1f} to {100 * d.high:.1f})".replace("-", "−")


def _rounded(n: int) -> int:
    """Up to two digits that count: a forecast claims no more."""
    step = 10 ** max(0, len(str(n)) - 2)
    return -(-n // step) * step
