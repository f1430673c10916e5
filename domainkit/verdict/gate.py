"""Gate: may this run replace that one? A test of non-inferiority on the questions of both.

The difference candidate − reference is taken question by question, and decided as every verdict is (statistics.paired):
it passes when the lower end of the 90 % interval, a one-sided bound at 95 %, lies above minus the margin; it is worse
when the difference is WORSE as a report has it; otherwise the questions are too few to tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from domainkit.errors import ConfigError
from domainkit.evaluation.task import clusters_of
from domainkit.registry import suggestion
from domainkit.results.lookups import cost_per_thousand, find_variant, score_of
from domainkit.results.schema import Difference, Estimate, Item, Portfolio, Results
from domainkit.statistics.intervals import estimate
from domainkit.statistics.paired import Paired, compare_paired, judge, paired_interval
from domainkit.verdict import numbers
from domainkit.verdict.forgetting import needed_to_pass
from domainkit.verdict.sentences import LEAK_SETS, forgetting_sentence, listed, metric_words, rounded

Outcome = Literal["passed", "worse", "cannot tell"]
EXIT_CODES: dict[Outcome, int] = {"passed": 0, "worse": 1, "cannot tell": 3}
ALPHA = 0.05
MARGIN = 0.02
"""Where neither run states a margin."""
SAME = "It is the same variant in both runs: same base, adapter, prompts, examples and passages."
NAMED = 5
"""Questions named in a sentence; more are counted."""


@dataclass(frozen=True, slots=True)
class GateDecision:
    """Whether the candidate may replace the reference, and what that rests on."""

    outcome: Outcome
    reason: str
    """In one or two sentences."""
    metric: str
    margin: float
    """The loss that would not matter, as a fraction."""
    variants: tuple[str, str]
    """(candidate, reference)."""
    scores: tuple[Estimate, Estimate]
    """Of both, on the paired questions."""
    difference: Difference | None
    """Candidate − reference; None where no question has both scores."""
    bound: float | None
    """The difference is above this with 95 % confidence (one-sided)."""
    needed: int | None
    """Questions in all that would let it pass at 80 % power, if the true difference is the observed one."""
    unpaired: tuple[str, ...]
    """Sentences that name the questions left out."""
    cautions: tuple[str, ...]
    seconds: tuple[float | None, float | None]
    """Per question; for information."""
    costs: tuple[float | None, float | None]
    """Of 1,000 questions; for information."""

    @property
    def exit_code(self) -> int:
        """0 passed, 1 worse, 3 cannot tell."""
        return EXIT_CODES[self.outcome]


def decide_gate(
    candidate: Results | Portfolio,
    reference: Results | Portfolio,
    *,
    variant: str | None = None,
    margin: float | None = None,
    keys: Sequence[Mapping[str, str]] = (),
) -> GateDecision:
    """Compare what `candidate` recommends with what `reference` recommends, or `variant` of both.

    `keys` are the content keys of each run's variants by name, where they are known: equal keys are one and the same
    variant, which passes on any questions. `margin` is a fraction (0.02 = 2 points); left out, the candidate's own.
    Raises ConfigError for runs that cannot be compared: of different questions, kinds or metrics, or without the
    variant.
    """
    candidate, reference = _comparable(candidate, reference)
    names = (_variant(candidate, variant, "the candidate"), _variant(reference, variant, "the reference"))
    allowed = _margin(candidate, reference, margin)
    stopped = (_stopped_early(candidate, names[0]), _stopped_early(reference, names[1]))
    _refuse_two_orders(candidate, reference, stopped)
    pairs, unpaired = pair_items(candidate, reference)
    if stopped[1] and not stopped[0]:  # the order in which the race asked
        order = {item.id: i for i, item in enumerate(reference.items)}
        pairs.sort(key=lambda pair: order[pair[1].id])
    metric = candidate.task.primary_metric
    scores = (
        [score_of(x, names[0], metric) for x, _ in pairs],
        [score_of(y, names[1], metric) for _, y in pairs],
    )
    clusters = clusters_of([x for x, _ in pairs])
    pair = compare_paired(
        *scores,
        clusters=clusters,
        sequential=any(stopped),
    )
    unscored = _unscored((candidate, reference), names)
    outcome, difference, bound = ("cannot tell", None, None) if unscored else decide_pair(pair, allowed)
    same = difference is not None and _same_variant(keys, names)
    outcome = "passed" if same else outcome
    needed = needed_to_pass(pair, allowed, ALPHA) if difference and outcome == "cannot tell" else None
    return GateDecision(
        outcome=outcome,
        reason=SAME if same else _reason(outcome, names, metric, difference, bound, allowed, needed, unscored),
        metric=metric,
        margin=allowed,
        variants=names,
        scores=(estimate(scores[0], clusters=clusters), estimate(scores[1], clusters=clusters)),
        difference=difference,
        bound=bound,
        needed=needed,
        unpaired=unpaired,
        cautions=_cautions(candidate, reference, names, pair),
        seconds=(_seconds(candidate, names[0]), _seconds(reference, names[1])),
        costs=(cost_per_thousand(candidate, names[0]), cost_per_thousand(reference, names[1])),
    )


def decide_pair(pair: Paired, margin: float, alpha: float = ALPHA) -> tuple[Outcome, Difference | None, float | None]:
    """(outcome, difference, its one-sided lower bound at 1 - alpha) of paired scores candidate − reference."""
    if not pair.n:
        return "cannot tell", None, None
    difference = judge(pair, pair.p, 1, 1, margin, alpha)
    bound = paired_interval(pair, 1 - 2 * alpha)[0]
    if bound > -margin:
        return "passed", difference, bound
    return ("worse" if difference.state == "WORSE" else "cannot tell"), difference, bound


def _comparable(a: Results | Portfolio, b: Results | Portfolio) -> tuple[Results, Results]:
    if isinstance(a, Portfolio) or isinstance(b, Portfolio):
        raise ConfigError(
            "a run of several comparisons has no single winner", next_step="name the folder of one of them"
        )
    for what, ours, theirs in (
        ("kinds of task", a.task.kind, b.task.kind),
        ("metrics", a.task.primary_metric, b.task.primary_metric),
    ):
        if ours != theirs:
            raise ConfigError(
                f"the runs have different {what}: {ours} and {theirs}",
                next_step="compare again with the same --task file and kind=",
            )
    return a, b


def _variant(results: Results, asked: str | None, which: str) -> str:
    """The variant of that name, or the recommended one."""
    name = asked or results.verdict.choice
    if not name:
        raise ConfigError(f"{which} recommends no variant", next_step="name one with --variant, or compare again")
    if find_variant(results, name) is None:
        reason = f": {results.left_out[name]}" if name in results.left_out else ""
        next_step = suggestion(name, [v.name for v in results.variants])
        raise ConfigError(f"{which} has no variant '{name}'{reason}", next_step=next_step)
    return name


def _margin(a: Results, b: Results, margin: float | None) -> float:
    if margin is None:
        margin = next((v.difference.margin for r in (a, b) for v in r.variants if v.difference), MARGIN)
    if not 0 < margin < 1:
        raise ConfigError(
            f"a margin of {100 * margin:g} points is not between 0 and 100",
            where="margin",
            next_step="give the loss that would not matter, such as 2 points",
        )
    return margin


def pair_items(a: Results, b: Results) -> tuple[list[tuple[Item, Item]], tuple[str, ...]]:
    """The questions of both runs, in the order of `a`, and sentences that name those of one alone.

    A question is the same with the same id, text and right answers. Raises ConfigError where there is none.
    """
    theirs = {item.id: item for item in b.items}
    ours = {item.id for item in a.items}
    pairs: list[tuple[Item, Item]] = []
    texts, answers = [], []
    for item in a.items:
        other = theirs.get(item.id)
        if other is None:
            continue
        if (item.input, item.turns) != (other.input, other.turns):
            texts.append(item.id)
        elif (item.target, item.references) != (other.target, other.references):
            answers.append(item.id)
        else:
            pairs.append((item, other))
    if not pairs:
        raise ConfigError(
            f"the runs share no question: '{a.task.name}' and '{b.task.name}' are different tasks",
            next_step="give two runs of the same --task file",
        )
    groups = (
        ("have another text in the reference", texts),
        ("have another right answer in the reference", answers),
        ("are in the candidate alone", [i.id for i in a.items if i.id not in theirs]),
        ("are in the reference alone", [i.id for i in b.items if i.id not in ours]),
    )
    return pairs, tuple(f"{len(ids):,} questions {what}: {_named(ids)}" for what, ids in groups if ids)


def _named(ids: Sequence[str]) -> str:
    more = len(ids) - NAMED
    return ", ".join(ids[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _stopped_early(results: Results, variant: str) -> bool:
    """Whether a race chose how many questions the variant was asked."""
    race = results.race
    return race is not None and (variant in race.out or race.questions < race.of)


def _refuse_two_orders(a: Results, b: Results, stopped: tuple[bool, bool]) -> None:
    """Questions chosen by two races in different orders have no interval that holds."""
    if all(stopped) and a.race is not None and b.race is not None and a.race.seed != b.race.seed:
        what = f"the runs were raced in different orders (seeds {a.race.seed} and {b.race.seed})"
        raise ConfigError(what, next_step="compare one of them again with the other's seed, or without --race")


def _unscored(runs: tuple[Results, Results], names: tuple[str, str]) -> str:
    """Why a side has no score; "" where both have one."""
    for results, name, which in zip(runs, names, ("candidate", "reference"), strict=True):
        variant = find_variant(results, name)
        value = variant.metrics.get(results.task.primary_metric) if variant else None
        if value is None or value.value is None:
            reason = value.reason if value is not None and value.reason else "its answers are no evidence"
            return f"{name} has no score in the {which}: {reason}."
    return ""


def _same_variant(keys: Sequence[Mapping[str, str]], names: tuple[str, str]) -> bool:
    known = [of_run.get(name) for of_run, name in zip(keys, names, strict=False)]
    return len(known) == 2 and known[0] is not None and known[0] == known[1]


def _reason(
    outcome: Outcome,
    names: tuple[str, str],
    metric: str,
    d: Difference | None,
    bound: float | None,
    margin: float,
    needed: int | None,
    unscored: str,
) -> str:
    if d is None or bound is None:
        return unscored or f"No question of both runs has a score of both, by {metric_words(metric)}."
    change = f"{numbers.points(d.value)} points ({numbers.difference_interval(d)}) on {d.n:,} questions"
    who = names[0] if names[0] == names[1] else f"{names[0]} against {names[1]}"
    head = f"{who}: {change}."
    worst, limit = numbers.points(bound), f"{100 * margin:g} points"
    if outcome == "passed":
        return f"{head} With 95 % confidence the difference is above {worst} points: no loss of {limit} or more."
    if outcome == "worse":
        return f"{head} It is worse, and the loss may be {limit} or more."
    rest = (
        f"About {rounded(needed or 0):,} questions would be enough to pass, if the true difference is the observed one."
    )
    if not needed:
        rest = "More questions would show a loss, if the true difference is the observed one."
    return f"{head} With 95 % confidence it is above {worst} points only: a loss of {limit} is possible. {rest}"


def _cautions(a: Results, b: Results, names: tuple[str, str], pair: Paired) -> tuple[str, ...]:
    """What limits the decision."""
    found = []
    for results, name, which in ((a, names[0], "candidate"), (b, names[1], "reference")):
        variant = find_variant(results, name)
        if variant is not None and variant.failures:
            found.append(f"{variant.failures:,} questions failed in the {which}, and score 0.")
        leaked = [leak for leak in results.leaks if leak.counted and leak.count and not leak.unchecked]
        if leaked:
            sets = listed(dict.fromkeys(LEAK_SETS[leak.against] for leak in leaked))
            count = sum(leak.count for leak in leaked)
            found.append(f"In the {which} {count:,} test questions are also in {sets}: its score may be too high.")
        if results.forgetting is not None and results.forgetting.gate == "failed":
            found.append(f"In the {which} the forgetting gate failed: {forgetting_sentence(results.forgetting)}")
    if pair.sequential:
        found.append("A run was raced, so its questions were chosen by looking: the interval is a confidence sequence.")
    if a.machine != b.machine:
        found.append("The runs were made on different machines: their times cannot be compared.")
    return tuple(found)


def _seconds(results: Results, name: str) -> float | None:
    variant = find_variant(results, name)
    return variant.usage.seconds_per_item if variant else None
