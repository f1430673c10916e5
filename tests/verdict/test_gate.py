"""Gate: not worse passes, worse fails, too few cannot tell; what cannot be paired is named, what differs is refused."""

from __future__ import annotations

import pytest

from domainkit.errors import ConfigError
from domainkit.results.schema import Estimate, Leak, Portfolio, Race, RacedOut, Results
from domainkit.verdict.gate import decide_gate
from tests.verdict.small_results import METRIC, run_of

GOOD = [1.0, 1.0, 1.0, 0.0] * 100


def flipped(scores: list[float], lost: int, won: int = 0) -> list[float]:
    """`lost` right answers made wrong, and `won` wrong ones right."""
    right = [i for i, s in enumerate(scores) if s == 1][:lost]
    wrong = [i for i, s in enumerate(scores) if s == 0][:won]
    return [1 - s if i in {*right, *wrong} else s for i, s in enumerate(scores)]


@pytest.mark.parametrize(
    ("candidate", "outcome", "code", "words"),
    [
        (GOOD, "passed", 0, "no loss of 2 points or more"),
        (flipped(GOOD, 0, 60), "passed", 0, "no loss of 2 points or more"),
        (flipped(GOOD, 40), "worse", 1, "It is worse"),
        (flipped(GOOD, 12, 10), "cannot tell", 3, "questions would be enough to pass"),
        (flipped(GOOD, 20, 10), "cannot tell", 3, "More questions would show a loss"),
    ],
)
def test_the_outcome_and_its_words(candidate: list[float], outcome: str, code: int, words: str) -> None:
    decision = decide_gate(run_of(candidate), run_of(GOOD))
    assert (decision.outcome, decision.exit_code) == (outcome, code)
    assert words in decision.reason


def test_a_loss_within_the_margin_passes_and_the_margin_is_the_users() -> None:
    candidate = run_of(flipped(GOOD, 6))
    assert decide_gate(candidate, run_of(GOOD), margin=0.05).outcome == "passed"
    assert decide_gate(candidate, run_of(GOOD), margin=0.01).outcome == "worse"


def test_few_questions_cannot_tell_even_where_all_answers_are_alike() -> None:
    decision = decide_gate(run_of(GOOD[:40]), run_of(GOOD[:40]))
    assert decision.outcome == "cannot tell"
    assert decision.needed is not None
    assert decision.needed > 100


def test_questions_of_one_document_count_less() -> None:
    apart, together = flipped(GOOD, 14, 10), run_of(flipped(GOOD, 14, 10), per_document=20)
    alone = decide_gate(run_of(apart), run_of(GOOD), margin=0.04)
    shared = decide_gate(together, run_of(GOOD, per_document=20), margin=0.04)
    assert alone.bound is not None
    assert shared.bound is not None
    assert shared.bound < alone.bound


def test_what_is_not_in_both_is_named() -> None:
    reference = run_of(GOOD)
    items = list(reference.items)
    items[0] = items[0].model_copy(update={"input": "another"})
    items[1] = items[1].model_copy(update={"target": "b"})
    decision = decide_gate(run_of(GOOD[:390] + [1.0] * 20), reference.model_copy(update={"items": tuple(items)}))
    assert decision.unpaired == (
        "1 questions have another text in the reference: q0",
        "1 questions have another right answer in the reference: q1",
        "10 questions are in the candidate alone: q400, q401, q402, q403, q404 and 5 more",
    )
    assert decision.difference is not None
    assert decision.difference.n == 398


def test_the_winners_are_compared_where_no_variant_is_named() -> None:
    decision = decide_gate(run_of(GOOD, name="tuned-rag"), run_of(GOOD, name="tuned"))
    assert decision.variants == ("tuned-rag", "tuned")
    assert decision.reason.startswith("tuned-rag against tuned: 0.0 points")
    with pytest.raises(ConfigError, match="the candidate has no variant 'tuned'") as caught:
        decide_gate(run_of(GOOD, name="rag", left_out={"tuned": "no adapter"}), run_of(GOOD), variant="tuned")
    assert "no adapter" in str(caught.value)


def test_a_variant_without_a_score_cannot_be_told() -> None:
    run = run_of(GOOD)
    broken = run.variants[0].model_copy(
        update={"metrics": {METRIC: Estimate(value=None, reason="every question failed, the first with X")}}
    )
    decision = decide_gate(run.model_copy(update={"variants": (broken,)}), run)
    assert decision.exit_code == 3
    assert decision.reason == "tuned has no score in the candidate: every question failed, the first with X."
    assert decision.difference is None


def race(seed: int = 0, **out: RacedOut) -> Race:
    return Race(alpha=0.05, block=20, seed=seed, questions=400, of=600, answers=1, of_answers=2, out=out)


def test_a_race_widens_the_interval_and_says_so() -> None:
    plain = decide_gate(run_of(GOOD), run_of(GOOD), margin=0.05)
    raced = decide_gate(run_of(GOOD), run_of(GOOD, race=race()), margin=0.05)
    assert raced.bound is not None
    assert plain.bound is not None
    assert raced.bound < plain.bound
    assert any("raced" in c for c in raced.cautions)
    with pytest.raises(ConfigError, match=r"different orders \(seeds 1 and 0\)"):
        decide_gate(run_of(GOOD, race=race(1)), run_of(GOOD, race=race()))


def test_leaked_and_failed_questions_are_cautions() -> None:
    leaks = (Leak(level="exact", count=7), Leak(level="embedding", count=9, counted=False))
    run = run_of(GOOD, leaks=leaks)
    failing = run.variants[0].model_copy(update={"failures": 3})
    decision = decide_gate(run.model_copy(update={"variants": (failing,)}), run_of(GOOD))
    assert decision.cautions[:2] == (
        "3 questions failed in the candidate, and score 0.",
        "In the candidate 7 test questions are also in the training rows: its score may be too high.",
    )


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (Portfolio(title="", comparisons=()), "no single winner"),
        (run_of(GOOD, first=1000), "share no question"),
        (
            run_of(GOOD).model_copy(update={"verdict": run_of(GOOD).verdict.model_copy(update={"choice": ""})}),
            "no variant",
        ),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(candidate: Results | Portfolio, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        decide_gate(candidate, run_of(GOOD))


def test_other_metrics_and_kinds_are_refused() -> None:
    run = run_of(GOOD)
    other = run.model_copy(update={"task": run.task.model_copy(update={"primary_metric": "macro_f1"})})
    with pytest.raises(ConfigError, match="different metrics: macro_f1 and label_accuracy"):
        decide_gate(other, run)
    free = run.model_copy(update={"task": run.task.model_copy(update={"kind": "answer"})})
    with pytest.raises(ConfigError, match="different kinds of task: answer and label"):
        decide_gate(free, run)
    with pytest.raises(ConfigError, match="a margin of 0 points is not between 0 and 100"):
        decide_gate(run, run, margin=0)


def test_the_same_variant_passes_on_any_number_of_questions() -> None:
    """Its content key says that nothing has changed; equal scores alone do not."""
    few = run_of([1.0, 0.0, 1.0, 1.0])
    unsure = decide_gate(few, few, variant="tuned", keys=[{"tuned": "a"}, {"tuned": "b"}])
    assert unsure.outcome == "cannot tell"
    same = decide_gate(few, few, variant="tuned", keys=[{"tuned": "a"}, {"tuned": "a"}])
    assert (same.outcome, same.exit_code) == ("passed", 0)
    assert same.reason == "It is the same variant in both runs: same base, adapter, prompts, examples and passages."
    assert decide_gate(few, few, variant="tuned", keys=[{}, {}]).outcome == "cannot tell"
