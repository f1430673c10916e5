"""Each caution appears when its reason does."""

from __future__ import annotations

import pytest

from domainkit.results.schema import Estimate, Leak, Race, RacedOut, Recipe, SetUse, Synthetic, TaskFacts
from domainkit.verdict.cautions import (
    about_earlier_use,
    about_leaks,
    about_recipes,
    about_synthetic_questions,
    about_the_race,
    ordinal,
)


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (SetUse(comparisons=4), []),
        (SetUse(comparisons=12), ["This is the 12th different comparison on these questions"]),
        (SetUse(comparisons=1, for_choosing=2), ["These questions were used 2 times to choose settings"]),
        (SetUse(purpose="dev", for_choosing=1), ["These questions are for choosing settings (purpose=dev)"]),
    ],
)
def test_earlier_uses_are_reported_where_they_matter(use: SetUse, said: list[str]) -> None:
    found = about_earlier_use(use, 0.6, 200)
    assert len(found) == len(said)
    assert all(f.startswith(s) for f, s in zip(found, said, strict=True))


def test_uses_that_could_not_be_counted_say_why() -> None:
    use = SetUse(unknown="the ledger cannot be written")
    assert about_earlier_use(use, 0.5, 100) == [
        "How often these questions were used is not known: the ledger cannot be written."
    ]


def test_a_race_that_ended_early_and_dropped_a_variant_says_so() -> None:
    race = Race(
        alpha=0.05,
        block=20,
        seed=0,
        questions=100,
        of=300,
        answers=260,
        of_answers=900,
        out={"rag": RacedOut(answered=60, better="tuned")},
    )
    assert about_the_race(None) == []
    assert about_the_race(race) == [
        "The race ended after 100 of 300 questions: the order is clear, but the scores are less precise.",
        "Dropped from the race, so scored on fewer questions: rag after 60 (worse than tuned).",
    ]


def test_counted_leaks_say_where_they_are_and_what_looks_better() -> None:
    leaks = [
        Leak(level="near", count=1, against="index"),
        Leak(level="embedding", count=9, counted=False),
        Leak(level="exact", count=2, against="dev"),
    ]
    assert about_leaks(leaks) == [
        "1 test question also stands in the retrieved documents, nearly word for word: retrieval looks better there.",
        "2 test questions also stand in the development questions, word for word: "
        "settings chosen on them look better there.",
    ]


def test_a_recipe_that_seeds_leave_open_limits_an_adapter_that_is_better() -> None:
    recipe = Recipe(
        variant="tuned",
        baseline="zero-shot",
        seeds=(0, 1),
        by_seed=(0.6, 0.1),
        score=Estimate(value=0.35),
        state="CANNOT TELL YET",
    )
    [sentence] = about_recipes([recipe], {"tuned": "BETTER"})
    assert sentence.startswith("tuned's adapter is BETTER than zero-shot, but 2 training seeds do not show this")
    assert about_recipes([recipe], {"tuned": "CANNOT TELL YET"}) == []


@pytest.mark.parametrize(("k", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (22, "22nd")])
def test_ordinals(k: int, text: str) -> None:
    assert ordinal(k) == text


def facts(synthetic: Synthetic | None) -> TaskFacts:
    return TaskFacts(name="t", kind="answer", n=40, primary_metric="token_f1", fingerprint="", synthetic=synthetic)


def test_a_test_set_that_a_model_wrote_is_said_to_be_one() -> None:
    assert about_synthetic_questions(facts(None)) == []
    assert "synthetic" not in facts(None).model_dump_json()
    made = facts(Synthetic(questions=40, writers=("openai:gpt-5", "other")))
    assert about_synthetic_questions(made) == [
        "All 40 test questions are synthetic, written by openai:gpt-5 and other from documents: people ask otherwise, "
        "so scores on their questions may differ. Confirm the verdict on questions of people."
    ]
    assert TaskFacts.model_validate_json(made.model_dump_json()) == made
    some, own = about_synthetic_questions(facts(Synthetic(questions=7, by_own_base=True)))
    assert some.startswith("7 of 40 test questions are synthetic, written by a model: ")
    assert own == "The base that was compared wrote test questions itself: its own variants may look better."
