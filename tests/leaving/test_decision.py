"""The three verdicts from made-up results; which questions take part; several candidates."""

from __future__ import annotations

import pytest

from domainkit.errors import ConfigError
from domainkit.leaving.decision import decide_leaving
from domainkit.results.schema import Leak, LeakPair, Race
from tests.leaving.made_up import FACTS, HALF, ONES, left


@pytest.mark.parametrize(
    ("ours", "theirs", "outcome", "code"),
    [
        (ONES, ONES, "MAY LEAVE", 0),
        (ONES, HALF, "MAY LEAVE", 0),
        (HALF, ONES, "NOT YET", 1),
        (ONES[:40], ONES[:40], "CANNOT TELL YET", 3),
        ([0.0, *ONES[1:40]], ONES[:40], "CANNOT TELL YET", 3),
    ],
)
def test_the_three_verdicts(ours: list[float], theirs: list[float], outcome: str, code: int) -> None:
    decision = decide_leaving(left({"incumbent": theirs, "tuned": ours}))
    assert (decision.outcome, decision.exit_code) == (outcome, code)
    assert (decision.test.name, decision.level) == ("tuned", 0.9)


def test_more_questions_are_counted_only_where_they_would_decide() -> None:
    needed = {n: decide_leaving(left({"incumbent": ONES[:n], "tuned": ONES[:n]})).test.needed for n in (40, 1200)}
    assert needed[40] is not None
    assert needed[40] > 40
    assert needed[1200] is None


def test_questions_that_the_incumbent_failed_on_do_not_count_against_it() -> None:
    theirs = [None if i >= 900 else s for i, s in enumerate(ONES)]
    decision = decide_leaving(left({"incumbent": theirs, "tuned": HALF}))
    assert (decision.failed, len(decision.used), decision.outcome) == (300, 900, "NOT YET")
    assert decision.incumbent_score.value == pytest.approx(0.75)


def test_questions_that_the_candidate_failed_on_count_as_wrong() -> None:
    ours = [None if i < 100 else s for i, s in enumerate(ONES)]
    decision = decide_leaving(left({"incumbent": ONES, "tuned": ours}))
    assert decision.outcome == "NOT YET"
    assert decision.test.difference is not None
    assert decision.test.difference.value == pytest.approx(-75 / 1200)


def test_an_incumbent_that_answered_nothing_proves_nothing() -> None:
    decision = decide_leaving(left({"incumbent": [None] * 40, "tuned": ONES[:40]}))
    assert (decision.outcome, decision.used, decision.test.difference) == ("CANNOT TELL YET", (), None)


def test_leaked_questions_take_no_part() -> None:
    ours = [1.0] * 150 + HALF[150:]
    theirs = [0.0] * 150 + [min(1.0, s + 0.0) for s in HALF[150:]]
    pairs = tuple(LeakPair(test=f"q{i}", source="train.jsonl:1") for i in range(150))
    whole = left({"incumbent": theirs, "tuned": ours})
    leaked = left({"incumbent": theirs, "tuned": ours}, leaks=(Leak(level="exact", count=150, pairs=pairs),))
    assert decide_leaving(whole).test.difference.value == pytest.approx(0.125)  # type: ignore[union-attr]
    decision = decide_leaving(leaked)
    assert (decision.leaked, decision.test.difference.value) == (150, 0.0)  # type: ignore[union-attr]


def test_leaks_that_are_not_named_one_by_one_leave_no_proof() -> None:
    leak = Leak(level="exact", count=3, pairs=(LeakPair(test="q1", source="train.jsonl:1"),))
    decision = decide_leaving(left({"incumbent": ONES, "tuned": ONES}, leaks=(leak,)))
    assert (decision.outcome, decision.leaks_unlisted) == ("CANNOT TELL YET", 2)


def test_several_candidates_share_the_error() -> None:
    n = 560  # enough for one candidate, and too few for one of two
    both = FACTS.model_copy(update={"candidates": ("tuned-knn", "tuned")})
    ours = [1.0 - s if i % 20 == 0 else s for i, s in enumerate(ONES[:n])]
    theirs = [1.0 - s if i % 20 == 10 else s for i, s in enumerate(ONES[:n])]
    columns = {"incumbent": theirs, "tuned": ours, "tuned-knn": [0.0] * n}
    alone, shared = decide_leaving(left(columns)), decide_leaving(left(columns, both))
    assert (alone.level, shared.level) == (0.9, 0.95)
    assert alone.test.low is not None
    assert shared.test.low is not None
    assert shared.test.name == "tuned"
    assert shared.test.low < alone.test.low
    assert [t.outcome for t in shared.tests] == ["NOT YET", "CANNOT TELL YET"]
    assert shared.outcome == "CANNOT TELL YET"


def test_the_first_candidate_that_passes_is_the_one() -> None:
    both = FACTS.model_copy(update={"candidates": ("tuned", "tuned-knn")})
    columns = {"incumbent": HALF, "tuned": HALF, "tuned-knn": ONES}
    assert decide_leaving(left(columns, both)).test.name == "tuned"


def test_what_has_no_certificate_is_refused() -> None:
    plain = left({"incumbent": ONES[:8], "tuned": ONES[:8]}, leaving=None)
    with pytest.raises(ConfigError, match=r"name no incumbent to be left\n  next: domainkit leave --incumbent MODEL"):
        decide_leaving(plain)
    race = Race(alpha=0.05, block=20, seed=0, questions=8, of=8, answers=16, of_answers=16)
    with pytest.raises(ConfigError, match=r"a race stops asking, and a certificate needs every question"):
        decide_leaving(left({"incumbent": ONES[:8], "tuned": ONES[:8]}, race=race))
