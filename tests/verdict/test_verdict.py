"""Each answer is reachable, and each sentence appears when its reason does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from domainkit.evaluation.variant import Family
from domainkit.results.schema import Estimate, Leak, TaskFacts, VariantResult, Verdict, WithoutLeaks
from domainkit.statistics.intervals import estimate
from domainkit.verdict.evidence import ScoredVariants
from domainkit.verdict.verdict import decide

FAMILY: dict[str, Family] = {
    "trivial": "trivial",
    "classical": "classical",
    "encoder": "encoder",
    "zero_shot": "prompt",
    "few_shot": "prompt",
    "rag": "retrieve",
    "tuned": "tune",
    "tuned_rag": "combine",
    "mine": "custom",
}


def scored(n: int = 400, seed: int = 0, **rates: float) -> dict[str, list[float | None]]:
    """0/1 scores with exactly the given rates, correlated as answers to the same questions are."""
    difficulty = np.random.default_rng(seed).random(n)
    rng = np.random.default_rng(seed + 1)
    scores = {}
    for name, rate in rates.items():
        order = np.argsort(difficulty + rng.normal(0, 0.15, n))
        right = np.zeros(n)
        right[order[: round(rate * n)]] = 1
        scores[name] = [float(v) for v in right]
    return scores


def verdict(
    scores: dict[str, list[float | None]], changes: dict[str, dict[str, Any]] | None = None, **options: Any
) -> Verdict:
    n = len(next(iter(scores.values())))
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
    scored = ScoredVariants(
        results, scores, **{k: options.pop(k) for k in ("margin", "clusters", "errors") if k in options}
    )
    return decide(scored, facts, **options)


def text(v: Verdict) -> str:
    return "\n".join([v.headline, *v.reasons, *v.cautions, *v.next_steps])


def test_use_a_classical_model() -> None:
    v = verdict(scored(classical=0.85, zero_shot=0.4, rag=0.5, tuned=0.7))
    assert (v.answer, v.choice, v.tied) == ("use a classical model", "classical", ())
    assert v.headline.startswith(
        "Use a classical model: classical reaches 85.0 % label accuracy (81.2 to 88.2) without a language model. "
        "It is above the best language-model variant, tuned (70.0 %): +15.0 points ("
    )


def test_fine_tune_a_small_encoder() -> None:
    v = verdict(scored(classical=0.7, encoder=0.85, zero_shot=0.4, tuned=0.75))
    assert (v.answer, v.choice, v.tied) == ("fine-tune a small encoder", "encoder", ())
    assert v.headline.startswith(
        "Fine-tune a small encoder: encoder reaches 85.0 % label accuracy (81.2 to 88.2). It is"
    )
    said = "What fine-tuning a small encoder adds to a classical model: encoder is above classical, +15.0 points ("
    assert any(reason.startswith(said) for reason in v.reasons)
    said = "What a language model adds to a fine-tuned encoder: tuned is below encoder, −10.0 points ("
    assert any(reason.startswith(said) for reason in v.reasons)
    tied = verdict(scored(classical=0.85, encoder=0.85))
    assert tied.choice == "classical", "the simpler of equals"


def test_prompt_and_do_not_fine_tune() -> None:
    v = verdict(scored(classical=0.3, zero_shot=0.8, rag=0.6, tuned=0.5))
    assert (v.answer, v.choice) == ("prompt", "zero_shot")
    assert v.headline.startswith("Do not fine-tune, prompt: zero_shot reaches 80.0 %")
    assert any(
        r.startswith("What fine-tuning adds to the best without training: tuned is below zero_shot") for r in v.reasons
    )


def test_retrieve_since_tuning_on_top_is_equivalent() -> None:
    scores = scored(4000, zero_shot=0.3, rag=0.7)
    scores["tuned_rag"] = [*scores["rag"][:-4], 1.0, 1.0, 1.0, 1.0]
    v = verdict(scores)
    assert (v.answer, v.choice, v.tied) == ("retrieve", "rag", ("tuned_rag",))
    assert v.headline.startswith("Do not fine-tune, retrieve: rag reaches 70.0 %")
    assert "It is as good as tuned_rag (70.0 %): " in v.headline
    assert "inside the margin of 2.0" in v.headline


@pytest.mark.parametrize(
    ("name", "answer", "opening"),
    [
        ("tuned", "fine-tune", "Fine-tune: tuned reaches 80.0 %"),
        ("tuned_rag", "fine-tune and retrieve", "Fine-tune and retrieve: tuned_rag reaches 80.0 %"),
        ("mine", "custom", "Use mine: mine reaches 80.0 %"),
    ],
)
def test_the_more_elaborate_wins_when_it_is_clearly_better(name: str, answer: str, opening: str) -> None:
    v = verdict(scored(classical=0.5, zero_shot=0.3, rag=0.55, **{name: 0.8}))
    assert (v.answer, v.choice) == (answer, name)
    assert v.headline.startswith(opening)
    assert "It is above the best variant of another kind, rag (55.0 %): +25.0 points (" in v.headline


@pytest.mark.parametrize(
    ("name", "settings", "answer"),
    [
        ("tuned", {"shots": 4, "chosen": "nearest"}, "fine-tune and show solved examples"),
        ("tuned", {"shots": 4, "runs_on": "small"}, "fine-tune and show solved examples with small"),
        ("tuned_rag", {"shots": 4, "chosen": "fixed", "passages": 3}, "fine-tune, retrieve and show solved examples"),
        ("tuned_rag", {"passages": 3}, "fine-tune and retrieve"),
        ("tuned", {}, "fine-tune"),
    ],
)
def test_a_trained_variant_with_solved_examples_says_so(name: str, settings: dict[str, Any], answer: str) -> None:
    v = verdict(scored(zero_shot=0.3, **{name: 0.8}), {name: {"settings": settings}})
    assert v.answer == answer
    assert v.headline.startswith(f"{answer.capitalize()}: {name} reaches 80.0 %")


def test_cannot_tell_yet_says_how_many_more_questions() -> None:
    v = verdict(scored(60, zero_shot=0.2, rag=0.6, tuned=0.65))
    assert (v.answer, v.choice, v.tied) == ("cannot tell yet", "rag", ("tuned",))
    assert v.headline.startswith(
        "Cannot tell yet: tuned (65.0 %) is ahead of the simpler rag (60.0 %) by +5.0 points ("
    )
    assert v.headline.endswith("but 60 questions are too few to be sure. Until then, use rag.")
    assert any(s.startswith("Label about ") and "four cases of five" in s for s in v.next_steps)
    assert any("60 test questions are few" in c for c in v.cautions)
    assert any("may be luck" in c for c in v.cautions)


def test_too_close_to_be_worth_labelling() -> None:
    rag, tuned = [0.0, 1.0] * 100, [1.0, 0.0] * 99 + [1.0, 1.0]  # +0.5 points, almost every item flipped
    v = verdict({"rag": rag, "tuned": tuned}, margin=0.005)  # type: ignore[dict-item]
    assert v.answer == "cannot tell yet"
    assert "tuned and rag are too close to distinguish with more questions: use rag." in v.next_steps


def test_a_tie_within_one_family_still_gives_a_verdict() -> None:
    v = verdict(scored(100, zero_shot=0.70, few_shot=0.73, tuned=0.3))
    assert (v.answer, v.choice, v.tied) == ("prompt", "zero_shot", ("few_shot",))
    assert "It cannot be distinguished from few_shot" in v.headline


def test_a_tuned_variant_that_cannot_be_distinguished_is_not_ruled_out() -> None:
    v = verdict(scored(80, zero_shot=0.75, tuned=0.72))
    assert v.answer == "prompt"
    assert v.headline.startswith("Do not fine-tune yet, prompt")


def test_clusters_make_the_verdict_more_careful() -> None:
    difference = ([1.0] * 8 + [0.0] * 2) * 1 + ([0.0] * 9 + [1.0]) * 3
    scores: dict[str, list[float | None]] = {"rag": [0.0] * 40, "tuned": list(difference)}
    assert verdict(scores).answer == "fine-tune"
    assert verdict(scores, clusters=[i // 10 for i in range(40)]).answer == "cannot tell yet"


def test_leaks_are_reported_and_the_clean_questions_judged_alone() -> None:
    rag = [0.0] * 50 + [1.0] * 150
    tuned = [1.0] * 50 + [1.0] * 150
    leaks = (Leak(level="exact", count=40), Leak(level="near", count=10))
    v = verdict({"rag": list(rag), "tuned": list(tuned)}, leaks=leaks, clean=[i >= 50 for i in range(200)])
    assert v.answer == "fine-tune"
    assert (
        "40 test questions also stand in the training rows, word for word: "
        "variants that learn from these rows look better there." in v.cautions
    )
    assert "Without the leaked questions the verdict changes to 'retrieve' (rag)." in v.cautions
    assert v.without_leaks == WithoutLeaks(answer="retrieve", choice="rag", changed=True)
    assert any("Remove the leaked questions" in s for s in v.next_steps)
    assert "stays the same" in text(verdict(scored(rag=0.3, tuned=0.8), leaks=leaks, clean=[i > 9 for i in range(400)]))
    assert "leaked" not in text(
        verdict(scored(rag=0.3, tuned=0.8), leaks=(Leak(level="exact", count=0),), clean=[True] * 400)
    )


def test_failures_parse_failures_a_weak_base_and_what_was_left_out_are_cautions() -> None:
    unread = {"label_accuracy": Estimate(value=0.1), "parse_failure": Estimate(value=0.32)}
    v = verdict(
        scored(zero_shot=0.1, tuned=0.8),
        {"zero_shot": {"metrics": unread}, "tuned": {"failures": 3}},
        left_out={"rag": "no corpus"},
    )
    assert "zero_shot: 32.0 % of its answers do not name a label of the task." in v.cautions
    assert "tuned: 3 of 400 questions failed with an error and score 0." in v.cautions
    assert any("The base model is weak here (best prompt: zero_shot, 10.0 %)" in c for c in v.cautions)
    assert "rag was left out: no corpus." in v.cautions


@pytest.mark.parametrize(
    ("hit", "rag", "step"),
    [
        (
            0.5,
            0.45,
            "Improve retrieval first (passage size, lexical and dense together), then compare again: "
            "the gold document is among the 5 passages for 50.0 % of questions only.",
        ),
        (0.95, 0.45, "the model does not use the passages"),
        (0.95, 0.90, None),
    ],
)
def test_retrieval_is_named_as_the_bottleneck_or_cleared(hit: float, rag: float, step: str | None) -> None:
    hits = {"hit@1": Estimate(value=0.3), "hit@5": Estimate(value=hit)}
    v = verdict(scored(zero_shot=0.3, rag=rag), {"rag": {"retrieval": hits}})
    found = [s for s in v.next_steps if "gold document" in s]
    assert (step is None and not found) or (step is not None and step in found[0])


def test_next_steps_without_a_tuned_variant_and_with_passages_that_hurt() -> None:
    assert "Train an adapter (domainkit train) and compare again" in text(verdict(scored(zero_shot=0.4, rag=0.6)))
    assert "Passages make the tuned model worse" in text(verdict(scored(zero_shot=0.2, tuned=0.8, tuned_rag=0.5)))


def test_one_variant_alone_and_none() -> None:
    v = verdict(scored(zero_shot=0.6))
    assert (v.answer, v.choice, v.tied) == ("cannot tell yet", "zero_shot", ())
    assert v.headline.startswith("Cannot tell: zero_shot reaches 60.0 % label accuracy (")
    assert v.headline.endswith(", and was compared with no other variant.")
    v = verdict({"zero_shot": [None, None]}, left_out={"rag": "no corpus"})
    assert (v.answer, v.choice) == ("cannot tell yet", "")
    assert v.headline == "Cannot tell: no variant gave an answer that could be scored."
    assert v.cautions == (
        "zero_shot takes no part in the verdict: 2 of 2 items have no score.",
        "rag was left out: no corpus.",
    )
    assert v.next_steps[0].startswith("Fix zero_shot first, then run the same command again")


@pytest.mark.parametrize("n", [1, 2, 7])
def test_tiny_tests_cannot_tell_yet(n: int) -> None:
    v = verdict({"rag": [0.0] * n, "tuned": [1.0] * n if n < 6 else [1.0] * 3 + [0.0] * (n - 3)})
    assert (v.answer, v.choice) == ("cannot tell yet", "rag")
    assert "nan" not in text(v).lower()


def second(values: dict[str, float]) -> dict[str, dict[str, Any]]:
    """The accuracy of `scored`, and macro F1 as given."""
    return {
        name: {"metrics": {"label_accuracy": estimate(SECOND[name]), "macro_f1": Estimate(value=value)}}
        for name, value in values.items()
    }


SECOND = scored(600, classical=0.4, zero_shot=0.3, tuned=0.7)


def test_a_gain_that_the_second_metric_does_not_share_is_a_caution() -> None:
    v = verdict(SECOND, second({"classical": 0.339, "zero_shot": 0.2, "tuned": 0.337}))
    assert v.choice == "tuned"
    said = "tuned is ahead of classical in label accuracy alone: its macro F1 (33.7 %) is no better than classical's "
    assert f"{said}(33.9 %)." in v.cautions
    v = verdict(SECOND, second({"classical": 0.339, "zero_shot": 0.2, "tuned": 0.5}))
    assert "alone" not in text(v)


def test_the_trivial_answer_is_the_simplest_rival() -> None:
    v = verdict(scored(300, trivial=0.552, tuned=0.57))
    assert (v.answer, v.choice) == ("cannot tell yet", "trivial")
    assert v.headline.startswith("Cannot tell yet: tuned (57.0 %) is ahead of the simpler trivial (55.3 %)")
    v = verdict(scored(300, trivial=0.2, classical=0.7))
    assert v.headline.startswith("Use a classical model: classical reaches 70.0 %")
    assert "It is above the best variant of another kind, trivial (20.0 %)" in v.headline
    assert v.reasons[0].startswith("What a model adds to the answer that needs none: classical is above trivial")
