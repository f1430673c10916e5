"""The result by people: what counts, what it says of the verdict, and what stands beside a judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.results.schema import Results
from domainkit.statistics.judged import judged_difference
from domainkit.verdict.people.by_people import with_people
from tests.review.reviewed_runs import PROMPT, TUNED, different, judged, people, plan_of, saved, two_variants


def test_uniform_reviews_give_the_classical_interval() -> None:
    results = two_variants(different(100))
    verdicts = ["10"] * 12 + ["01"] * 3 + ["11"] * 20 + ["00"] * 5
    found = people(results, judged(results, verdicts)).difference
    assert found is not None
    alone = judged_difference([1] * 12 + [-1] * 3 + [0] * 25 + [None] * 60)
    assert (found.value, found.low, found.high) == pytest.approx((alone.estimate, alone.low, alone.high))
    assert (found.n, found.worth, found.state) == (40, pytest.approx(40), "BETTER")


def test_identical_answers_count_without_a_review() -> None:
    same = [("the same ", "the  same")] * 50
    results = two_variants([*different(50), *same])
    found = people(results, judged(results, ["10"] * 20))
    assert found.identical == 50
    assert found.difference is not None
    assert found.difference.value == pytest.approx(0.5)
    assert plan_of(results).reviews == 50


def test_people_who_find_the_recommended_variant_worse_change_the_verdict(tmp_path: Path) -> None:
    results = two_variants(different(40))
    run = saved(tmp_path, results, judged(results, ["01"] * 25 + ["11"] * 5))
    changed = with_people(results, run)
    assert (changed.verdict.answer, changed.verdict.choice) == ("prompt", PROMPT)
    assert changed.verdict.headline.startswith(
        "By people's judgement few-shot is better than tuned, which token F1 recommends: +83.3 points ("
    )
    assert "By token F1 alone the verdict would be: Fine-tune: tuned is best." in changed.verdict.reasons
    assert changed.people is not None
    assert changed.people.metric_verdict == results.verdict
    changed.save(run / "results.json")
    again = with_people(Results.load(run), run)
    assert again == changed  # the verdict by the metric is kept, so the result can be stated again
    (run / "reviews.jsonl").unlink()
    assert with_people(again, run) == results


def test_nobody_wins_before_all_planned_reviews_are_done(tmp_path: Path) -> None:
    results = two_variants(different(40))
    run = saved(tmp_path, results, judged(results, ["01"] * 25))
    plan_of(results, reviews=30).save(run)
    found = with_people(results, run)
    assert found.verdict == results.verdict
    assert found.people is not None
    assert found.people.sentence.startswith("By people's judgement, after 25 of 30 reviews, tuned against few-shot: −")
    assert found.people.sentence.endswith("Who wins is said when all are done.")


@pytest.mark.parametrize(
    ("verdicts", "start"),
    [
        (["10"] * 15 + ["11"] * 5, "People confirm it: tuned is better than few-shot, +"),
        (
            ["10"] * 3 + ["01"] * 2 + ["11"] * 5,
            "People do not confirm the gain of tuned over few-shot yet: +10.0 p",
        ),
        (["10"], "By people's judgement: too few reviews"),
    ],
)
def test_the_result_in_plain_words(tmp_path: Path, verdicts: list[str], start: str) -> None:
    results = two_variants(different(30))
    found = with_people(results, saved(tmp_path, results, judged(results, verdicts)))
    assert found.verdict == results.verdict
    assert found.people is not None
    assert found.people.sentence.startswith(start)


def test_only_reviews_of_the_answers_as_they_are_count() -> None:
    results = two_variants(different(20))
    reviews = judged(results, ["10"] * 6)
    stale = reviews[2].model_copy(update={"left_digest": "another"})
    found = people(results, [*reviews[:2], stale, *reviews[3:]])
    # After a gap the rest are no longer the first of the queue.
    assert (found.reviewed, found.outdated) == (2, 4)


def test_what_nobody_could_judge_is_shown_and_not_counted() -> None:
    results = two_variants(different(20))
    found = people(results, judged(results, ["10", "1?", "??", "01"]))
    assert (found.reviewed, found.not_judged) == (2, 2)
    assert found.difference is not None
    assert found.difference.value == 0


def test_two_people_are_averaged_and_compared() -> None:
    results = two_variants(different(20))
    first = judged(results, ["10", "10", "11", "00", "10", "10"])
    second = judged(results, ["10", "00"], reviewer="bo")
    found = people(results, [*first, *second])
    [agreed] = found.agreement
    assert (agreed.reviewers, agreed.n, agreed.share.value) == (("ann", "bo"), 4, 0.75)
    assert found.difference is not None
    assert (found.difference.n, found.difference.value) == (6, pytest.approx((1 + 0.5 + 0 + 0 + 1 + 1) / 6))


def test_preference_is_a_line_of_its_own() -> None:
    results = two_variants(different(20))
    reviews = judged(results, ["10"] * 6)
    against = [r.model_copy(update={"preference": "left" if r.left == PROMPT else "right"}) for r in reviews]
    found = people(results, against)
    assert found.difference is not None
    assert found.preference is not None
    assert (found.difference.value, found.preference.difference.value) == pytest.approx((1, -1))
    assert (found.preference.losses, found.preference.against, found.preference.left) == (6, 6, 3)


def test_a_judge_is_measured_on_the_answers_that_people_judged() -> None:
    grades = [(0.9, 0.1)] * 30
    results = two_variants(different(30), judge=grades)
    found = people(results, judged(results, ["10"] * 6 + ["01"] * 3 + ["11"] * 3)).judge
    assert found is not None
    # right by people: 9 answers of tuned, 6 of few-shot; wrong: 3 and 6
    assert (found.n, found.sensitivity.value, found.specificity.value) == (24, 9 / 15, pytest.approx(6 / 9))
    assert found.kappa == pytest.approx((15 / 24 - 0.5) / 0.5)
    assert found.by_variant[TUNED][0].value == 1
    assert found.by_variant[PROMPT][0].value == 0
    assert people(two_variants(different(30)), judged(two_variants(different(30)), ["10"] * 6)).judge is None
