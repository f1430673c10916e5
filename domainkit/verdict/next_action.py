"""The next best action, from the evidence: what to do now, in order, each with the figures it rests on.

The order: first what makes the figures untrue (errors, leaks that decide the verdict); then what leaves the question
open (too few test questions); then what could raise the score, by how much it may bring at most; and finally a check,
or a stop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from domainkit.results.schema import Action, Leak, LearningCurve, TaskFacts, VariantResult
from domainkit.verdict.evidence import HARDLY, TRAINED, UNTRAINED, Evidence
from domainkit.verdict.sentences import LEAK_SETS, listed, percent, points, rounded

ENOUGH_TRAIN = 200
"""This many training examples are often enough. With fewer, and no learning curve, the advice is to add more."""
NOT_WORTH_LABELLING = 20
"""A difference that needs this many times the available questions is reported as too small to show."""
ENOUGH_HITS = 0.8
"""Hit rate under which retrieval is improved first."""
UNUSED = 0.2
"""A score this far below the hit rate means that the model does not use the passages."""
MANY_ERRORS = MANY_UNREAD = 0.05
_UNTRUE, _OPEN, _BETTER, _AFTER = range(4)
_UNKNOWN_GAIN = 0.03


def next_actions(
    e: Evidence,
    facts: TaskFacts,
    leaks: Sequence[Leak] = (),
    *,
    leaks_decide: bool = False,
    curves: Sequence[LearningCurve] = (),
) -> list[Action]:
    """All that is worth doing, best first; never empty. `leaks_decide`: the verdict changes without the leaks."""
    ranked = [
        *((_UNTRUE, a) for a in _errors(e, facts)),
        *((_UNTRUE if leaks_decide else _AFTER, a) for a in _leaks(leaks, leaks_decide)),
        *((_OPEN if _is_of_use(e, facts) else _AFTER, a) for a in _more_questions(e)),
        *((_BETTER, a) for a in _improve(e, facts, curves)),
        *((_AFTER, a) for a in _confirm(e)),
    ]
    ranked.sort(key=lambda pair: (pair[0], -(_UNKNOWN_GAIN if pair[1].gain is None else pair[1].gain)))
    return [action for _, action in ranked] or [_stop(e, curves)]


def _is_of_use(e: Evidence, facts: TaskFacts) -> bool:
    """Whether the best variant is above chance: which of two useless ones is better need not be known first."""
    return e.means[e.best] >= facts.chance + HARDLY


def _improve(e: Evidence, facts: TaskFacts, curves: Sequence[LearningCurve]) -> Iterator[Action]:
    yield from _parsing(e)
    yield from _retrieval(e)
    yield from _passages_hurt(e)
    yield from _train_rows(e, facts, curves)
    if e.best_of(TRAINED) is None:
        yield Action(
            kind="train",
            sentence="Train an adapter (domainkit train) and compare again: no trained variant took part, so the gain "
            "from fine-tuning is not known.",
        )
    yield from _prompt_or_base(e, facts)


def _errors(e: Evidence, facts: TaskFacts) -> Iterator[Action]:
    name = max(e.variants, key=lambda v: e.variants[v].failures)
    share = e.variants[name].failures / max(facts.n, 1)
    if share > MANY_ERRORS:
        yield Action(
            kind="mend-errors",
            sentence=f"Fix {name} first: {percent(share)} of its questions failed with an error and score 0. Then run "
            "the comparison again: only the failed questions are asked again.",
            evidence=(f"{name}: {e.variants[name].failures} of {facts.n} questions failed",),
            gain=share,
        )


def _leaks(leaks: Sequence[Leak], decide: bool) -> Iterator[Action]:
    counted = [leak for leak in leaks if leak.counted and leak.count]
    if not counted:
        return
    sets = {leak.against for leak in counted}
    named = listed(LEAK_SETS[name] for name in ("train", "dev", "index") if name in sets)
    again = "train again and compare again" if "train" in sets else "compare again"
    yield Action(
        kind="mend-leaks",
        sentence=f"Remove the leaked questions from {named}, then {again}."
        + (" The verdict depends on them." if decide else ""),
        evidence=tuple(f"{leak.count} {leak.level} in {LEAK_SETS[leak.against]}" for leak in counted),
        gain=0.0,
    )


def _more_questions(e: Evidence) -> Iterator[Action]:
    """How many more questions would decide between the choice and the best."""
    gap = e.difference(e.best, e.choice)
    if gap is None or gap.state != "CANNOT TELL YET":
        return
    evidence = (f"{e.best} − {e.choice}: {points(gap)} on {gap.n} questions",)
    if gap.needed is None or gap.needed > NOT_WORTH_LABELLING * gap.n:
        sentence = f"{e.best} and {e.choice} are too close to distinguish with more questions: use {e.choice}."
        yield Action(kind="stop", sentence=sentence, evidence=evidence, gain=0.0)
        return
    yield Action(
        kind="label-test",
        sentence=f"Label about {rounded(gap.needed - gap.n):,} more questions: if the true difference between {e.best} "
        f"and {e.choice} is as large as here, that is enough to show it in four cases of five.",
        evidence=evidence,
        gain=gap.value,
    )


def _parsing(e: Evidence) -> Iterator[Action]:
    """The gain if every answer were readable, and the unreadable ones right as often as the rest."""
    candidates = []
    for name, v in e.variants.items():
        unread = v.metrics.get("parse_failure")
        share = unread.value if unread is not None else None
        if share is not None and MANY_UNREAD < share < 1:
            candidates.append((min(e.means[name] / (1 - share), 1.0) - e.means[e.choice], share, name))
    gain, share, name = max(candidates, default=(0.0, 0.0, ""))
    if gain > e.margin:
        yield Action(
            kind="mend-parsing",
            sentence=f"Make {name}'s answers readable ({_how(e.variants[name])}, or a stricter prompt): "
            f"{percent(share)} of them do not name a label. If these were right as often as the rest, it would reach "
            f"{percent(gain + e.means[e.choice])}.",
            evidence=(f"{name}: parse failure {percent(share)}, score {percent(e.means[name])}",),
            gain=gain,
        )


def _how(variant: VariantResult) -> str:
    """What else makes its answers readable: only a model that is not ours can write anything under decoding=closed."""
    return "a model with structured output" if variant.settings.get("decoding") == "closed" else "decoding=closed"


def _retrieval(e: Evidence) -> Iterator[Action]:
    """Whether retrieval finds the gold document, and whether the model then uses it. The oracle is the bound."""
    retrieving = [name for name in e.variants if e.variants[name].retrieval]
    name = max(retrieving, key=e.means.__getitem__) if retrieving else e.best_of(("retrieve",))
    if name is None:
        return
    hits = e.variants[name].hit_rates
    k = max(hits, default=0)
    hit = hits.get(k)
    gap = e.difference(e.oracle, name) if e.oracle else None
    evidence = []
    if gap is not None:
        evidence.append(f"{e.oracle} − {name}: {points(gap)}")
    if hit is not None:
        evidence.append(f"hit@{k} of {name}: {percent(hit)}")
    action = None
    if gap is not None and gap.state == "BETTER":
        action = _below_the_oracle(e, name, points(gap))
    elif gap is None and hit is not None and hit < ENOUGH_HITS:
        action = _few_hits(e, name, k, hit)
    elif hit is not None and e.means[name] < hit - UNUSED:
        action = _unused_passages(e, name, k, hit)
    if action is not None:
        yield action.model_copy(update={"evidence": tuple(evidence)})


def _below_the_oracle(e: Evidence, name: str, gap: str) -> Action:
    bound = e.means[e.oracle or name]
    return Action(
        kind="mend-retrieval",
        sentence=f"Improve retrieval: with the gold document in its prompt the same model reaches {percent(bound)} "
        f"({e.oracle}), {gap} above {name}.",
        gain=bound - e.means[e.choice],
    )


def _few_hits(e: Evidence, name: str, k: int, hit: float) -> Action:
    return Action(
        kind="mend-retrieval",
        sentence="Improve retrieval first (passage size, lexical and dense together), then compare again: "
        f"{_hit_clause(k, hit)} only.",
        gain=min(e.means[name] / max(hit, 0.01), 1.0) - e.means[e.choice],
    )


def _unused_passages(e: Evidence, name: str, k: int, hit: float) -> Action:
    trained = e.variants[name].trained_on_passages
    advice = (
        "check in the answers whether the right part of the document is in the prompt (more or longer passages). "
        "Then add training rows, or use a stronger base."
        if trained
        else "the model does not use the passages. Train it with passages in its prompts, or use a stronger base."
    )
    return Action(
        kind="label-train" if trained else "train-with-context",
        sentence=f"{_hit_clause(k, hit).capitalize()}, but {name} reaches {percent(e.means[name])}: {advice}",
        gain=hit - e.means[e.choice],
    )


def _hit_clause(k: int, hit: float) -> str:
    where = f"among the {k} passages" if k > 1 else "the passage"
    return f"the gold document is {where} for {percent(hit)} of questions"


def _passages_hurt(e: Evidence) -> Iterator[Action]:
    tuned, combined = e.best_of(("tune",)), e.best_of(("combine",))
    gap = e.difference(combined, tuned) if tuned and combined else None
    if gap is not None and gap.state == "WORSE":
        yield Action(
            kind="train-with-context",
            sentence="Passages make the tuned model worse: train it with passages in its prompts, gold and distracting "
            "ones (RAFT).",
            evidence=(f"{combined} − {tuned}: {points(gap)}",),
        )


def _train_rows(e: Evidence, facts: TaskFacts, curves: Sequence[LearningCurve]) -> Iterator[Action]:
    """More training examples: by the curve where there is one, else where they are few."""
    forecasts = _forecasts(e, curves)
    for curve in forecasts:
        last, ahead = curve.points[-1], curve.forecast[0]
        gain = ahead.value - e.means[e.choice]
        if ahead.value - last.value > e.margin and gain > 0 and ahead.low is not None and ahead.high is not None:
            yield Action(
                kind="label-train",
                sentence=f"Label about {rounded(ahead.n - last.n):,} more training examples: with {ahead.n:,} the "
                f"learning curve forecasts {percent(ahead.value)} ({100 * ahead.low:.1f} to {100 * ahead.high:.1f}) "
                f"for {curve.variant}.",
                evidence=tuple(f"{p.n:,} examples: {percent(p.value)}" for p in curve.points),
                gain=gain,
            )
    trained = e.best_of(TRAINED)
    if trained and not forecasts and e.family(e.choice) in UNTRAINED and 0 < facts.train_rows < ENOUGH_TRAIN:
        yield Action(
            kind="label-train",
            sentence=f"Add training examples: fine-tuning had {facts.train_rows}. Often 200 to 500 are enough, and "
            "fewer are not.",
            evidence=(f"{trained}: {percent(e.means[trained])} with {facts.train_rows} examples",),
        )


def _forecasts(e: Evidence, curves: Sequence[LearningCurve]) -> list[LearningCurve]:
    return [c for c in curves if c.forecast and c.variant in e.variants]


def _prompt_or_base(e: Evidence, facts: TaskFacts) -> Iterator[Action]:
    """Hardly above chance: use a stronger base. Above chance but below the classical model: improve the prompt."""
    prompted, classical = e.best_of(("prompt",)), e.best_of(("classical", "encoder"))
    if prompted is None or e.family(e.choice) in TRAINED:
        return
    score = percent(e.means[prompted])
    evidence = (f"{prompted}: {score}",)
    if e.means[prompted] < facts.chance + HARDLY:
        stronger = "model: the best prompt of all" if e.models else "base: its best prompt"
        sentence = f"Use a stronger {stronger}, {prompted}, is hardly above chance ({score})."
        yield Action(kind="stronger-base", sentence=sentence, evidence=evidence, gain=0.02)
    elif classical is not None and (d := e.difference(classical, prompted)) is not None and d.state == "BETTER":
        sentence = f"Improve the prompt: {prompted} ({score}) is above chance, but below {classical}."
        yield Action(kind="mend-prompt", sentence=sentence, evidence=evidence, gain=0.02)


def _confirm(e: Evidence) -> Iterator[Action]:
    if e.one_family_left and len(e.tied) > 1:
        sentence = f"Test {e.choice} once on questions that were not used here."
        evidence = (f"cannot be distinguished: {', '.join(e.tied)}",)
        yield Action(kind="confirm", sentence=sentence, evidence=evidence, gain=0.0)


def _stop(e: Evidence, curves: Sequence[LearningCurve]) -> Action:
    flat = "; ".join(
        f"forecast for {c.variant} with twice the examples: {percent(c.forecast[0].value)}"
        for c in _forecasts(e, curves)
    )
    return Action(
        kind="stop",
        sentence=f"Stop here and use {e.choice}: nothing measured promises more than {100 * e.margin:.1f} points.",
        evidence=(flat,) if flat else (),
        gain=0.0,
    )
