"""The plan: which variants, which questions, and when a new queue is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.errors import ConfigError, DataError
from domainkit.results.review_plan import PLAN_FILE, read_plan
from domainkit.results.reviews import ReviewLog
from domainkit.review.draw import plan_for
from domainkit.statistics.review_queue import chances
from tests.review.reviewed_runs import PROMPT, TUNED, different, judged, plan_of, two_variants


def test_the_recommended_variant_and_the_baseline_on_what_they_answer_differently() -> None:
    plan = plan_of(two_variants([*different(30), ("same", "same ")]))
    assert plan.variants == (TUNED, PROMPT)
    assert (plan.questions, plan.identical, plan.reviews, len(plan.queue)) == (31, 1, 30, 30)
    assert "q30" not in plan.queue
    assert plan_of(two_variants(different(80))).reviews == 50
    assert plan_of(two_variants(different(80)), reviews=70).reviews == 70


def test_a_judge_that_gives_grades_orders_the_queue() -> None:
    grades = [(0.9, 0.1) if k < 10 else (0.9, 0.9) for k in range(60)]
    plan = plan_of(two_variants(different(60), judge=grades))
    assert plan.ordered_by == "judge"
    by_id = dict(zip(plan.queue, chances(plan.weights, 20), strict=True))
    assert by_id["q0"] > 1.5 * by_id["q59"] > 0
    assert sum(by_id.values()) == pytest.approx(20)


def test_the_plan_is_kept_until_the_answers_change(tmp_path: Path) -> None:
    results = two_variants(different(60))
    plan_for(tmp_path, results, reviews=20, rubric="Be strict.").save(tmp_path)
    with ReviewLog(tmp_path) as log:
        log.append(judged(results, ["10"])[0])
    again = plan_for(tmp_path, results)
    assert (again.reviews, again.rubric) == (20, "Be strict.")
    graded = two_variants(different(60), judge=[(k / 60, 0.5) for k in range(60)])
    assert plan_for(tmp_path, graded).queue == again.queue  # chances were fixed before the first review
    other = two_variants([("new", "answers"), *different(60)[1:]])
    drawn = plan_for(tmp_path, other)
    assert drawn.digest != again.digest
    assert drawn.rubric == "Be strict."


def test_names_that_do_not_fit_are_told(tmp_path: Path) -> None:
    results = two_variants(different(5))
    with pytest.raises(ConfigError, match=r"no variant 'tune'\n  next: .*tuned"):
        plan_of(results, variants=("tune",))
    with pytest.raises(ConfigError, match="one variant, or two different ones"):
        plan_of(results, variants=(TUNED, TUNED))
    with pytest.raises(ConfigError, match="gave the same answer to every question"):
        plan_of(two_variants([("a", "a")] * 4))
    plan_for(tmp_path, results).save(tmp_path)
    with pytest.raises(ConfigError, match=r"is about tuned and few-shot\n  next: leave --variants out, or move"):
        plan_for(tmp_path, results, variants=(TUNED,))
    (tmp_path / PLAN_FILE).write_text("{}")
    with pytest.raises(DataError, match=r"is not a domainkit.review/1 file(.|\n)*draws a new queue"):
        read_plan(tmp_path)
