"""Each action is reachable by its evidence, and the one that matters more comes first."""

from __future__ import annotations

from typing import Any

import numpy as np

from domainkit.evaluation.variant import Family
from domainkit.results.schema import Action, CurvePoint, Estimate, Leak, LearningCurve, TaskFacts, VariantResult
from domainkit.statistics.intervals import estimate
from domainkit.verdict.evidence import ScoredVariants, evidence_of
from domainkit.verdict.next_action import next_actions

FAMILY: dict[str, Family] = {
    "classical": "classical",
    "zero-shot": "prompt",
    "few-shot": "prompt",
    "rag": "retrieve",
    "oracle-rag": "oracle",
    "tuned": "tune",
    "tuned-rag": "combine",
    "tuned-context": "combine",
}


def actions(
    n: int = 400,
    changes: dict[str, dict[str, Any]] | None = None,
    rates: dict[str, float] | None = None,
    **options: Any,
) -> list[Action]:
    """Actions on 0/1 scores with exactly the given rates, correlated as answers to the same questions are."""
    difficulty, rng = np.random.default_rng(0).random(n), np.random.default_rng(1)
    scores: dict[str, list[float | None]] = {}
    for name, rate in (rates or {}).items():
        right = np.zeros(n)
        right[np.argsort(difficulty + rng.normal(0, 0.15, n))[: round(rate * n)]] = 1
        scores[name] = [float(v) for v in right]
    results = [
        VariantResult(
            name=name,
            family=FAMILY[name],
            description="",
            **{"metrics": {"label_accuracy": estimate(values)}, **(changes or {}).get(name, {})},
        )
        for name, values in scores.items()
    ]
    facts = TaskFacts(
        name="t", kind="label", n=n, labels=10, primary_metric="label_accuracy", fingerprint="", train_rows=500
    )
    e = evidence_of(ScoredVariants(results, scores))
    assert e is not None
    return next_actions(e, facts, **options)


def kinds(found: list[Action]) -> list[str]:
    return [a.kind for a in found]


def curve(*values: float, ahead: float, variant: str = "tuned") -> LearningCurve:
    points = tuple(CurvePoint(n=125 * 2**k, value=v, low=v - 0.03, high=v + 0.03) for k, v in enumerate(values))
    forecast = (CurvePoint(n=points[-1].n * 2, value=ahead, low=ahead - 0.04, high=ahead + 0.04),)
    return LearningCurve(variant=variant, points=points, forecast=forecast)


def test_stop_when_nothing_promises_more_than_the_margin() -> None:
    found = actions(rates={"zero-shot": 0.4, "tuned": 0.9})
    assert kinds(found) == ["stop"]
    assert found[0].sentence == "Stop here and use tuned: nothing measured promises more than 2.0 points."


def test_a_flat_curve_is_evidence_to_stop_and_a_rising_one_to_label() -> None:
    flat = actions(rates={"zero-shot": 0.4, "tuned": 0.9}, curves=[curve(0.88, 0.895, 0.9, ahead=0.905)])
    assert kinds(flat) == ["stop"]
    assert flat[0].evidence == ("forecast for tuned with twice the examples: 90.5 %",)
    rising = actions(rates={"zero-shot": 0.4, "tuned": 0.7}, curves=[curve(0.5, 0.6, 0.7, ahead=0.78)])
    assert kinds(rising) == ["label-train"]
    assert rising[0].sentence == (
        "Label about 500 more training examples: with 1,000 the learning curve forecasts 78.0 % (74.0 to 82.0) "
        "for tuned."
    )
    assert rising[0].evidence == ("125 examples: 50.0 %", "250 examples: 60.0 %", "500 examples: 70.0 %")


def test_a_rising_curve_that_stays_below_the_choice_is_no_reason_to_label() -> None:
    found = actions(
        rates={"classical": 0.3, "zero-shot": 0.5, "tuned": 0.9},
        curves=[curve(0.1, 0.2, 0.3, ahead=0.4, variant="classical")],
    )
    assert kinds(found) == ["stop"]


def test_parsing_before_a_smaller_gain() -> None:
    unread = {"label_accuracy": Estimate(value=0.5), "parse_failure": Estimate(value=0.4)}
    found = actions(
        rates={"zero-shot": 0.5, "tuned": 0.7},
        changes={"zero-shot": {"metrics": unread}},
        curves=[curve(0.6, 0.66, 0.7, ahead=0.73)],
    )
    assert kinds(found) == ["mend-parsing", "label-train"]
    assert "40.0 % of them do not name a label" in found[0].sentence
    assert "it would reach 83.3 %" in found[0].sentence


def test_the_oracle_shows_whether_retrieval_is_the_bottleneck_and_is_never_chosen() -> None:
    found = actions(rates={"zero-shot": 0.3, "rag": 0.5, "oracle-rag": 0.9, "tuned": 0.45})
    assert found[0].kind == "mend-retrieval"
    assert found[0].sentence.startswith(
        "Improve retrieval: with the gold document in its prompt the same model reaches 90.0 % (oracle-rag), "
        "+40.0 points ("
    )
    assert found[0].gain == 0.4
    hits = {"rag": {"retrieval": {"hit@3": Estimate(value=0.95)}}}
    found = actions(rates={"zero-shot": 0.3, "rag": 0.5, "oracle-rag": 0.5, "tuned": 0.45}, changes=hits)
    assert found[0].kind == "train-with-context"
    assert "the model does not use the passages" in found[0].sentence


def test_a_model_trained_on_passages_is_not_advised_to_train_on_them() -> None:
    trained = {"retrieval": {"hit@2": Estimate(value=0.95)}, "settings": {"trained_on": "passages"}}
    found = actions(rates={"zero-shot": 0.3, "tuned-context": 0.6}, changes={"tuned-context": trained})
    [action] = [a for a in found if "is among the 2 passages for 95.0 %" in a.sentence]
    assert action.kind == "label-train"
    assert "check in the answers whether the right part of the document is in the prompt" in action.sentence


def test_errors_and_deciding_leaks_come_first_and_other_leaks_late() -> None:
    leaks = [Leak(level="exact", count=30), Leak(level="embedding", count=90, counted=False)]
    found = actions(
        rates={"zero-shot": 0.5, "tuned": 0.7},
        changes={"tuned": {"failures": 60}},
        curves=[curve(0.5, 0.6, 0.7, ahead=0.8)],
        leaks=leaks,
        leaks_decide=True,
    )
    assert kinds(found) == ["mend-errors", "mend-leaks", "label-train"]
    assert found[1].sentence.endswith("The verdict depends on them.")
    found = actions(rates={"zero-shot": 0.5, "tuned": 0.7}, curves=[curve(0.5, 0.6, 0.7, ahead=0.8)], leaks=leaks)
    assert kinds(found) == ["label-train", "mend-leaks"]
    assert kinds(actions(rates={"zero-shot": 0.5, "tuned": 0.7}, leaks=leaks[1:])) == ["stop"]


def test_leaks_of_the_index_need_no_new_training() -> None:
    found = actions(rates={"zero-shot": 0.5, "tuned": 0.7}, leaks=[Leak(level="exact", count=3, against="index")])
    assert found[0].sentence == "Remove the leaked questions from the retrieved documents, then compare again."


def test_an_open_question_comes_before_improvements() -> None:
    found = actions(60, rates={"zero-shot": 0.2, "rag": 0.6, "tuned": 0.65})
    assert found[0].kind == "label-test"
    assert found[0].sentence.startswith("Label about ")


def test_which_of_two_useless_variants_is_better_is_asked_last() -> None:
    found = actions(60, rates={"classical": 0.08, "zero-shot": 0.05, "tuned": 0.12})
    assert found[0].kind == "stronger-base"
    assert found[-1].sentence.startswith(("tuned and classical are too close", "Label about "))


def test_a_base_at_chance_and_a_prompt_below_counting_words() -> None:
    assert "stronger-base" in kinds(actions(rates={"classical": 0.6, "zero-shot": 0.12}))
    found = actions(rates={"classical": 0.8, "few-shot": 0.5, "tuned": 0.6})
    assert "mend-prompt" in kinds(found)
    assert "train" in kinds(actions(rates={"classical": 0.6, "zero-shot": 0.12}))
