"""What limits a verdict: the test set and who wrote it, earlier uses, a race, leaks, weak variants, training seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

from scipy.special import ndtri

from domainkit.evaluation.metrics import lower_is_better
from domainkit.results.schema import JudgeFacts, Leak, LeakLevel, Race, Recipe, SetUse, State, TaskFacts
from domainkit.statistics.best_of import expected_luck
from domainkit.verdict.evidence import HARDLY, Evidence
from domainkit.verdict.sentences import LEAK_SETS, listed, metric_words, percent

FEW = 200
"""With fewer questions than this, the report names the smallest difference that can be detected."""
OFTEN = 5
"""The report warns from this number of different comparisons on one test set."""
UNREADABLE = 0.05
"""The report warns from this share of answers that do not name a label."""
LEVELS: dict[LeakLevel, str] = {
    "exact": "word for word",
    "ngram": "in a run of words",
    "near": "nearly word for word",
    "answer": "by their answer",
    "embedding": "by meaning",
}
LOOKS_BETTER = {
    "train": "variants that learn from these rows look",
    "index": "retrieval looks",
    "dev": "settings chosen on them look",
}
"""What looks better on a leaked question than on others, by the set it leaked into."""


def smallest_visible(n: int) -> float:
    """The true difference, as a fraction, that `n` questions show in four cases of five."""
    # n = (z_.975 + z_.8)² · ψ / δ² for two variants that disagree on a share ψ of the items, here a fifth
    return min(float((ndtri(0.975) + ndtri(0.8)) * sqrt(0.2 / max(n, 1))), 1.0)


def about_the_test(e: Evidence, facts: TaskFacts) -> list[str]:
    sentences = []
    if facts.n < FEW:
        sentences.append(
            f"{facts.n} test questions are few: a true difference of less than about "
            f"{100 * smallest_visible(facts.n):.0f} points is likely to be missed."
        )
    close = len(e.tied)
    if close > 1:
        luck = expected_luck(close, e.means[e.best], facts.n)
        sentences.append(
            f"{e.best} is the best of {close} variants that are close, chosen on these same questions: up to about "
            f"{100 * luck:.1f} points of its score may be luck."
        )
    return sentences


def about_judges(facts: TaskFacts, judges: Sequence[JudgeFacts]) -> list[str]:
    """A judge is a model: it does not decide alone."""
    sentences = []
    for judge in judges:
        if judge.metric == facts.primary_metric:
            sentences.append(
                f"A judge alone decides here: {judge.model}, by its rubric. Its grades are no fact. Let people judge "
                "some of these answers (domainkit review), and read its agreement with them beside every figure."
            )
        no_score = judge.unreadable + judge.failed
        if no_score > UNREADABLE * judge.requests:
            sentences.append(
                f"{judge.metric}: {no_score} of {judge.requests} requests brought no grade, so these answers count "
                "nowhere in its figures."
            )
    if own := dict.fromkeys(name for judge in judges for name in judge.own_answers):
        sentences.append(f"The judge is the model that also answers for {listed(own)}: it may prefer its own answers.")
    return sentences


def about_synthetic_questions(facts: TaskFacts) -> list[str]:
    made = facts.synthetic
    if made is None:
        return []
    count = f"All {facts.n}" if made.questions >= facts.n else f"{made.questions} of {facts.n}"
    writers = f", written by {listed(made.writers)} from documents" if made.writers else ", written by a model"
    sentences = [
        f"{count} test questions are synthetic{writers}: people ask otherwise, so scores on their questions may "
        "differ. Confirm the verdict on questions of people."
    ]
    if made.by_own_base:
        sentences.append("The base that was compared wrote test questions itself: its own variants may look better.")
    return sentences


def about_earlier_use(use: SetUse, score: float | None, n: int) -> list[str]:
    """`score` and `n` are the best variant's score and the number of questions."""
    if use.unknown:
        return [f"How often these questions were used is not known: {use.unknown}."]
    sentences = []
    if use.purpose == "dev":
        sentences.append("These questions are for choosing settings (purpose=dev): report a score on other questions.")
    elif use.for_choosing:
        times = "once" if use.for_choosing == 1 else f"{use.for_choosing} times"
        sentences.append(
            f"These questions were used {times} to choose settings (purpose=dev): they are not an independent test any "
            "more."
        )
    if use.purpose == "test" and use.comparisons >= OFTEN:
        luck = expected_luck(use.comparisons, score, n)
        sentences.append(
            f"This is the {ordinal(use.comparisons)} different comparison on these questions: if all were equally "
            f"good, the best would look about {100 * luck:.1f} points better than it is. "
            "Choose on other questions (purpose=dev) and report on these."
        )
    return sentences


def about_the_race(race: Race | None) -> list[str]:
    if race is None:
        return []
    sentences = []
    if race.questions < race.of:
        sentences.append(
            f"The race ended after {race.questions} of {race.of} questions: the order is clear, but the scores are "
            "less precise."
        )
    if race.out:
        dropped = ", ".join(f"{name} after {o.answered} (worse than {o.better})" for name, o in race.out.items())
        sentences.append(f"Dropped from the race, so scored on fewer questions: {dropped}.")
    return sentences


def about_leaks(leaks: Sequence[Leak]) -> list[str]:
    sentences = []
    for leak in leaks:
        if leak.count and leak.counted:
            stand = "question also stands" if leak.count == 1 else "questions also stand"
            sentences.append(
                f"{leak.count} test {stand} in {LEAK_SETS[leak.against]}, {LEVELS[leak.level]}: "
                f"{LOOKS_BETTER[leak.against]} better there."
            )
    return sentences


def about_second_metric(e: Evidence, facts: TaskFacts) -> list[str]:
    """Where the best is ahead in the primary metric alone: a simpler rival is as good in the next one."""
    primary = facts.primary_metric
    second = next((n for n in e.variants[e.best].metrics if n != primary and not lower_is_better(n)), None)
    values = {n: score.value for n, v in e.variants.items() if second and (score := v.metrics.get(second)) is not None}
    best = values.get(e.best)
    rivals = {
        n: value
        for n, value in values.items()
        if value is not None and best is not None and value >= best and e.means[n] < e.means[e.best]
        if e.family(n) != e.family(e.best)
    }
    if not rivals or second is None or best is None:
        return []
    rival = max(rivals, key=rivals.__getitem__)
    return [
        f"{e.best} is ahead of {rival} in {metric_words(primary)} alone: its {metric_words(second)} ({percent(best)}) "
        f"is no better than {rival}'s ({percent(rivals[rival])})."
    ]


def about_variants(e: Evidence, facts: TaskFacts) -> list[str]:
    sentences = []
    for name, v in e.variants.items():
        unread = v.metrics.get("parse_failure")
        if unread is not None and unread.value is not None and unread.value > UNREADABLE:
            sentences.append(f"{name}: {percent(unread.value)} of its answers do not name a label of the task.")
        if v.failures:
            sentences.append(f"{name}: {v.failures} of {facts.n} questions failed with an error and score 0.")
    prompted = e.best_of(("prompt",))
    if prompted is not None and e.means[prompted] < facts.chance + HARDLY:
        weak = {0: "The base model is", 1: "Both models are"}.get(len(e.models), f"All {len(e.models) + 1} models are")
        sentences.append(
            f"{weak} weak here (best prompt: {prompted}, {percent(e.means[prompted])}): "
            f"a stronger {'one' if e.models else 'base'} may change the order."
        )
    return sentences


def about_failed(failed: Mapping[str, str]) -> list[str]:
    """`failed`: variant to what happened."""
    return [f"{name} takes no part in the verdict: {what}." for name, what in failed.items()]


def about_left_out(left_out: Mapping[str, str]) -> list[str]:
    """`left_out`: variant to the reason it did not run."""
    return [f"{name} was left out: {reason}." for name, reason in left_out.items()]


def about_recipes(recipes: Sequence[Recipe], states: Mapping[str, State]) -> list[str]:
    """Where the training recipe shows less than its one adapter; `states` are those of the adapter."""
    return [
        f"{r.variant}'s adapter is {states[r.variant]} than {r.baseline}, but {len(r.seeds)} training seeds do not "
        "show this of the recipe: train with more seeds before you trust the recipe, or ship this one adapter."
        for r in recipes
        if states.get(r.variant) in ("BETTER", "WORSE") and r.state == "CANNOT TELL YET"
    ]


def ordinal(k: int) -> str:
    """1st, 2nd, 3rd, 4th."""
    return f"{k}{'th' if 10 <= k % 100 <= 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(k % 10, 'th')}"
