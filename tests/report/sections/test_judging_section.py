"""What the report says of judges: agreement, replies, cost, and the word on pairs."""

from __future__ import annotations

from typing import Any

from domainkit.report.sections.judging_section import judge_sentences, pair_sentences
from domainkit.report.wording.labels import agreement_text, metric_heading
from domainkit.results.schema import ByPeople, Difference, Estimate, JudgedPairs, JudgeFacts, JudgeMeasured, Results
from domainkit.verdict.costs.cost import cost_of
from domainkit.verdict.costs.prices import read_prices
from tests.report.comparisons import build

JUDGE = JudgeFacts(
    metric="judge",
    model="own",
    rubric="Be\nshort.",
    local=True,
    requests=10,
    asked=4,
    unreadable=1,
    failed=2,
    seconds=36.0,
)
DIFFERENCE = Difference(
    value=0.1,
    low=-0.1,
    high=0.3,
    n=9,
    wins=2,
    ties=6,
    losses=1,
    p=0.5,
    p_adjusted=0.5,
    state="CANNOT TELL YET",
    margin=0.02,
)


def results(**fields: Any) -> Results:
    made = build(20).model_copy(update={"judges": (JUDGE,), **fields})
    return made.model_copy(update={"cost": cost_of(made, read_prices())})


def test_a_local_judge_is_paid_in_machine_time() -> None:
    found = results()
    assert judge_sentences(found, JUDGE) == [
        "Rubric: Be short.",
        "Agreement with people: not measured.",
        "10 requests, 6 of them in earlier runs on this folder: 1 reply was no grade (10.0 %); 2 had no reply.",
        "No tokens reported, 36 s of machine time; 0.012 USD.",
    ]
    assert metric_heading(found, "judge") == "Judge (agreement with people: not measured)"
    assert metric_heading(found, "token_f1") == "Token F1"


def test_agreement_with_people_stands_beside_the_figures_once_it_is_measured() -> None:
    measured = JudgeMeasured(
        metric="judge", n=50, kappa=0.61, sensitivity=Estimate(value=0.9), specificity=Estimate(value=0.75)
    )
    people = ByPeople(
        variants=("a",), reviewers=("x",), reviewed=50, planned=50, questions=240, right={}, judge=measured
    )
    found = "κ 0.61, sensitivity 90.0 %, specificity 75.0 %, on 50 answers"
    assert metric_heading(results(people=people), "judge") == f"Judge (agreement with people: {found})"
    assert agreement_text(results(people=people), "judge_pairs") == "not measured"


def test_the_pairs_name_what_went_with_the_verdict() -> None:
    pairs = JudgedPairs(
        variant="b",
        baseline="a",
        difference=DIFFERENCE,
        identical=1,
        unreadable=1,
        inconsistent=5,
        first=4,
        last=0,
        decided=3,
        longer=3,
    )
    assert pair_sentences(results(judged_pairs=pairs)) == [
        "b against a: 2 won, 6 tied, 1 lost of 9 pairs, each in both orders: +10.0 points (−10.0 to 30.0), CANNOT TELL "
        "YET (agreement with people: not measured).",
        "Place: on 5 of 8 pairs asked (62.5 %) the verdict changed with the order of the answers: ties (4 for the "
        "place shown first, 0 for the last). Such a judge says little.",
        "Length: of 3 decided pairs, the longer answer won 3 (100.0 %).",
        "1 pairs have the same words: ties, without asking.",
        "1 pairs have no verdict in one of the orders, and are left out.",
    ]
    none = JudgedPairs(variant="a", baseline="a", reason="the recommended variant is the baseline")
    assert pair_sentences(results(judged_pairs=none)) == [
        "No pairs were judged: the recommended variant is the baseline."
    ]
    assert pair_sentences(results()) == []
