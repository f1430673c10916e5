"""What a verdict rests on, and what is called weak about it."""

from __future__ import annotations

from domainkit.report.sections.grounds import grounds
from domainkit.results.schema import Estimate, Results, Synthetic


def scored(results: Results, scores: dict[str, float], **fields: object) -> Results:
    """Only these variants, with these scores."""
    variants = tuple(
        v.model_copy(update={"metrics": {"label_accuracy": Estimate(value=scores[v.name])}})
        for v in results.variants
        if v.name in scores
    )
    return results.model_copy(update={"variants": variants, **fields})


def test_a_base_at_chance_is_weak_although_the_nearest_examples_help(label_results: Results) -> None:
    near = {"knn-few-shot": {"shots": 4, "chosen": "nearest"}}
    results = scored(label_results, {"zero-shot": 0.18, "knn-few-shot": 0.6, "tuned": 0.4})
    variants = tuple(v.model_copy(update={"settings": near.get(v.name, {})}) for v in results.variants)
    questions, base, training = grounds(results.model_copy(update={"variants": variants}))
    assert not questions.weak
    assert base.weak == "weak"
    assert "18.0 % by prompting alone (zero-shot); a guess among the labels brings 16.7 %" in base.fact
    assert training.weak == "no gain seen"
    assert "knn-few-shot reaches 60.0 % without training." in training.fact


def test_what_was_not_tried_is_named(label_results: Results) -> None:
    _, base, training = grounds(scored(label_results, {"classical": 0.8}))
    assert (base.weak, training.weak) == ("not tried", "not tried")
    _, base, _ = grounds(scored(label_results, {"tuned": 0.8}))
    assert base.weak == "not measured alone"


def test_a_trained_variant_says_on_how_much(label_results: Results) -> None:
    assert label_results.training is not None
    receipt = label_results.training.model_copy(update={"epochs": 2.0})
    training = grounds(scored(label_results, {"few-shot": 0.5, "tuned": 0.8}, training=receipt))[2]
    assert not training.weak
    assert "from 1,200 examples in 2 epochs" in training.fact


def test_few_questions_and_those_of_a_model_are_named(label_results: Results) -> None:
    few = label_results.task.model_copy(update={"n": 40})
    assert grounds(label_results.model_copy(update={"task": few}))[0].weak == "few"
    verdict = label_results.verdict.model_copy(update={"cautions": ("40 test questions are few: …",)})
    said_once = grounds(label_results.model_copy(update={"task": few, "verdict": verdict}))[0]
    assert said_once.fact == "40 questions."
    made = label_results.task.model_copy(update={"synthetic": Synthetic(questions=240)})
    ground = grounds(label_results.model_copy(update={"task": made}))[0]
    assert ground.weak == "written by a model"
    assert "240 of them written by a model" in ground.fact
