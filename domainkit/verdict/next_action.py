"""The next best action, from the evidence: what to do now, in order, each with the figures it rests on.

The order: first what makes the figures untrue (errors, leaks that carry the verdict); then what leaves the question open (too few
test questions); then what could raise the score, by how much it may bring at most; and at last to check, or to stop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from domainkit.results.schema import Action, ActionKind, Leak, LearningCurve, TaskFacts
from domainkit.verdict.evidence import TRAINED, UNTRAINED, Evidence
from domainkit.verdict.sentences import percent, points, rounded

ENOUGH_TRAIN = 200
"""Training examples that are often enough; with fewer, and no learning curve, more are asked for."""
NOT_WORTH_LABELLING = 20
"""A difference that needs this many times the questions at hand is said to be too small to settle."""
FOUND_ENOUGH, USED_ENOUGH = 0.8, 0.2
"""Retrieval is mended first under this hit rate; over it, a score this far below the hit rate is the model's doing."""
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
    """All that is worth doing, best first; never empty. `leaks_decide`: without the leaked questions the verdict is another."""
    ranked = [
        *((_UNTRUE, a) for a in _errors(e, facts)),
        *((_UNTRUE if leaks_decide else _AFTER, a) for a in _leaks(leaks, leaks_decide)),
        *((_OPEN, a) for a in _settle(e)),
        *((_BETTER, a) for a in _improve(e, facts, curves)),
        *((_AFTER, a) for a in _confirm(e)),
    ]
    ranked.sort(key=lambda pair: (pair[0], -(_UNKNOWN_GAIN if pair[1].gain is None else pair[1].gain)))
    return [action for _, action in ranked] or [_stop(e, curves)]


def _improve(e: Evidence, facts: TaskFacts, curves: Sequence[LearningCurve]) -> Iterator[Action]:
    yield from _parsing(e)
    yield from _retrieval(e)
    yield from _context(e)
    yield from _train_rows(e, facts, curves)
    if e.best_of(TRAINED) is None:
        yield Action(
            kind="train",
            sentence="Train an adapter (domainkit train) and compare again: nothing here says what fine-tuning would bring.",
        )
    yield from _prompt_or_base(e, facts)


def _errors(e: Evidence, facts: TaskFacts) -> Iterator[Action]:
    name = max(e.variants, key=lambda v: e.variants[v].failures)
    share = e.variants[name].failures / max(facts.n, 1)
    if share > MANY_ERRORS:
        yield Action(
            kind="mend-errors",
            sentence=f"Mend {name} first: {percent(share)} of its questions raised an error and count as 0. Then run the "
            "comparison again: only those are asked once more.",
            evidence=(f"{name}: {e.variants[name].failures} of {facts.n} questions failed",),
            gain=share,
        )


def _leaks(leaks: Sequence[Leak], decide: bool) -> Iterator[Action]:
    counted = [leak for leak in leaks if leak.counted and leak.count]
    if not counted:
        return
    places = {leak.against for leak in counted}
    where = {"train": "train", "index": "the documents", "dev": "the development questions"}
    named = " and ".join(where[p] for p in ("train", "dev", "index") if p in places)
    again = "train again and compare again" if "train" in places else "compare again"
    yield Action(
        kind="mend-leaks",
        sentence=f"Take the leaked questions out of {named}, {again}."
        + (" The verdict rests on them." if decide else ""),
        evidence=tuple(f"{leak.count} {leak.level} in {where[leak.against]}" for leak in counted),
        gain=0.0,
    )


def _settle(e: Evidence) -> Iterator[Action]:
    """How many more questions would decide between the choice and the best."""
    gap = e.difference(e.best, e.choice)
    if gap is None or gap.state != "CANNOT TELL YET":
        return
    evidence = (f"{e.best} − {e.choice}: {points(gap)} on {gap.n} questions",)
    if gap.needed is None or gap.needed > NOT_WORTH_LABELLING * gap.n:
        sentence = f"{e.best} and {e.choice} are too close to settle with more questions: take the simpler one."
        yield Action(kind="stop", sentence=sentence, evidence=evidence, gain=0.0)
        return
    yield Action(
        kind="label-test",
        sentence=f"Label about {rounded(gap.needed - gap.n)} more questions: if {e.best} and {e.choice} differ in truth as "
        "they do here, that settles it in four cases of five.",
        evidence=evidence,
        gain=gap.value,
    )


def _parsing(e: Evidence) -> Iterator[Action]:
    """What reading every answer could bring, were the unread right as often as the rest."""
    found = []
    for name, v in e.variants.items():
        unread = v.metrics.get("parse_failure")
        share = unread.value if unread is not None else None
        if share is not None and MANY_UNREAD < share < 1:
            found.append((min(e.means[name] / (1 - share), 1.0) - e.means[e.choice], share, name))
    gain, share, name = max(found, default=(0.0, 0.0, ""))
    if gain > e.margin:
        reach = percent(gain + e.means[e.choice])
        yield Action(
            kind="mend-parsing",
            sentence=f"Make {name}'s answers readable (decoding=closed, or a stricter prompt): {percent(share)} of them name no "
            f"label, and were those right as often as the rest it would reach {reach}.",
            evidence=(f"{name}: parse failure {percent(share)}, score {percent(e.means[name])}",),
            gain=gain,
        )


def _retrieval(e: Evidence) -> Iterator[Action]:
    """Whether the gold document is found, and if so whether the model uses it. The oracle, given it, is the bound."""
    retrieving = [name for name in e.variants if e.variants[name].retrieval]
    name = max(retrieving, key=e.means.__getitem__) if retrieving else e.best_of(("retrieve",))
    if name is None:
        return
    k, hit = _hits(e, name)
    gap = e.difference(e.oracle, name) if e.oracle else None
    evidence = []
    if gap is not None and e.oracle is not None:
        evidence.append(f"{e.oracle} − {name}: {points(gap)}")
    if hit is not None:
        evidence.append(f"hit@{k} of {name}: {percent(hit)}")
    among = f"among the {k} passages given" if k > 1 else "as the passage given"
    if gap is not None and e.oracle is not None and gap.state == "BETTER":
        yield Action(
            kind="mend-retrieval",
            sentence=f"Mend retrieval: given the gold document the same model reaches {percent(e.means[e.oracle])} "
            f"({e.oracle}), {points(gap)} above {name}.",
            evidence=tuple(evidence),
            gain=e.means[e.oracle] - e.means[e.choice],
        )
    elif gap is None and hit is not None and hit < FOUND_ENOUGH:
        yield Action(
            kind="mend-retrieval",
            sentence=f"Retrieval has the gold document {among} for only {percent(hit)} of questions: mend retrieval "
            "first (passage size, lexical and dense together), then compare again.",
            evidence=tuple(evidence),
            gain=min(e.means[name] / max(hit, 0.01), 1.0) - e.means[e.choice],
        )
    elif hit is not None and e.means[name] < hit - USED_ENOUGH:
        trained = e.variants[name].settings.get("trained_on") == "passages"
        yield Action(
            kind="label-train" if trained else "train-with-context",
            sentence=f"The gold document is {among} for {percent(hit)} of questions, yet {name} reaches "
            f"{percent(e.means[name])}: "
            + (
                "see in the answers whether the right part of it was given (more or longer passages), then add training "
                "rows, or take a stronger base."
                if trained
                else "the model does not use what it is given. Train it with passages in prompts, or take a stronger base."
            ),
            evidence=tuple(evidence),
            gain=hit - e.means[e.choice],
        )


def _hits(e: Evidence, name: str) -> tuple[int, float | None]:
    """The largest k of hit@k, and its share."""
    hits = {
        int(m[0]): h.value
        for key, h in e.variants[name].retrieval.items()
        if (m := re.findall(r"\d+", key)) and h.value is not None
    }
    k = max(hits, default=0)
    return k, hits.get(k)


def _context(e: Evidence) -> Iterator[Action]:
    tuned, combined = e.best_of(("tune",)), e.best_of(("combine",))
    gap = e.difference(combined, tuned) if tuned and combined else None
    if gap is not None and gap.state == "WORSE":
        yield Action(
            kind="train-with-context",
            sentence="Passages hurt the tuned model: train it with passages in its prompts, gold and distracting ones (RAFT).",
            evidence=(f"{combined} − {tuned}: {points(gap)}",),
        )


def _train_rows(e: Evidence, facts: TaskFacts, curves: Sequence[LearningCurve]) -> Iterator[Action]:
    """More training examples: by the curve where there is one, else where they are few."""
    drawn = [c for c in curves if c.forecast and c.variant in e.variants]
    for curve in drawn:
        last, ahead = curve.points[-1], curve.forecast[0]
        gain = ahead.value - e.means[e.choice]
        if ahead.value - last.value > e.margin and gain > 0 and ahead.low is not None and ahead.high is not None:
            yield Action(
                kind="label-train",
                sentence=f"Label about {rounded(ahead.n - last.n)} more training examples: with {ahead.n:,} the curve puts "
                f"{curve.variant} at {percent(ahead.value)} ({100 * ahead.low:.1f} to {100 * ahead.high:.1f}).",
                evidence=tuple(f"{p.n:,} examples: {percent(p.value)}" for p in curve.points),
                gain=gain,
            )
    trained = e.best_of(TRAINED)
    if trained and not drawn and e.family(e.choice) in UNTRAINED and 0 < facts.train_rows < ENOUGH_TRAIN:
        yield Action(
            kind="label-train",
            sentence=f"Fine-tuning saw {facts.train_rows} examples; 200 to 500 are often enough, fewer often not: add some.",
            evidence=(f"{trained}: {percent(e.means[trained])} with {facts.train_rows} examples",),
        )


def _prompt_or_base(e: Evidence, facts: TaskFacts) -> Iterator[Action]:
    """A prompt hardly above chance is the base's limit; one above chance and below no language model at all, the prompt's."""
    prompted, classical = e.best_of(("prompt",)), e.best_of(("classical",))
    if prompted is None or e.family(e.choice) in TRAINED:
        return
    chance = 1 / facts.labels if facts.kind == "label" and facts.labels else 0.0
    score = e.means[prompted]
    if score < chance + 0.15:
        yield _weak(
            "stronger-base", f"Take a stronger base: its best prompt, {prompted}, is hardly above chance", e, prompted
        )
    elif classical is not None and (d := e.difference(classical, prompted)) is not None and d.state == "BETTER":
        yield _weak(
            "mend-prompt", f"Work on the prompt: {prompted} is above chance and yet below {classical}", e, prompted
        )


def _weak(kind: ActionKind, sentence: str, e: Evidence, prompted: str) -> Action:
    found = f"{prompted}: {percent(e.means[prompted])}"
    return Action(kind=kind, sentence=f"{sentence} ({percent(e.means[prompted])}).", evidence=(found,), gain=0.02)


def _confirm(e: Evidence) -> Iterator[Action]:
    if e.settled and len(e.tied) > 1:
        sentence = f"Check {e.choice} once on questions that played no part here."
        yield Action(kind="confirm", sentence=sentence, evidence=(f"not told apart: {', '.join(e.tied)}",), gain=0.0)


def _stop(e: Evidence, curves: Sequence[LearningCurve]) -> Action:
    flat = [c for c in curves if c.forecast and c.variant in e.variants]
    more = "; ".join(f"twice the examples would put {c.variant} at {percent(c.forecast[0].value)}" for c in flat)
    return Action(
        kind="stop",
        sentence=f"Stop here and use {e.choice}: nothing measured promises more than {100 * e.margin:.1f} points.",
        evidence=tuple(filter(None, (more,))),
        gain=0.0,
    )
