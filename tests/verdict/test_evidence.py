"""Who is best, who is tied with it, and which pairs are compared."""

from __future__ import annotations

from domainkit.evaluation.variant import Family
from domainkit.results.schema import Race, RacedOut, VariantResult
from domainkit.verdict.evidence import Evidence, ScoredVariants, contrasts, evidence_of

FAMILY: dict[str, Family] = {
    "classical": "classical",
    "few-shot": "prompt",
    "rag": "retrieve",
    "oracle-rag": "oracle",
    "tuned": "tune",
    "tuned-rag": "combine",
}


def scored(right: dict[str, int], n: int = 100, race: Race | None = None) -> ScoredVariants:
    """`right` of `n` answers of each variant are right: the first ones."""
    variants = [VariantResult(name=name, family=FAMILY[name], description="", metrics={}) for name in right]
    scores = {name: [1.0] * k + [0.0] * (n - k) for name, k in right.items()}
    return ScoredVariants(variants, scores, race=race)


def evidence(right: dict[str, int], race: Race | None = None) -> Evidence:
    e = evidence_of(scored(right, race=race))
    assert e is not None
    return e


def test_the_choice_is_the_simplest_that_is_not_shown_to_be_worse() -> None:
    e = evidence({"tuned": 82, "rag": 80, "few-shot": 20})
    assert (e.best, e.choice, e.tied) == ("tuned", "rag", ("rag", "tuned"))
    assert not e.one_family_left
    assert evidence({"few-shot": 20, "tuned": 90}).one_family_left


def test_of_equal_means_the_simplest_is_best() -> None:
    assert evidence({"tuned-rag": 50, "tuned": 50, "classical": 50}).best == "classical"


def test_the_oracle_is_compared_with_retrieval_and_never_chosen() -> None:
    e = evidence({"oracle-rag": 99, "rag": 40, "few-shot": 30})
    assert (e.oracle, e.best) == ("oracle-rag", "rag")
    assert "oracle-rag" not in e.variants
    gap = e.difference("oracle-rag", "rag")
    assert gap is not None
    assert gap.state == "BETTER"


def test_a_difference_turns_with_its_pair() -> None:
    e = evidence({"few-shot": 20, "tuned": 80})
    one, other = e.difference("tuned", "few-shot"), e.difference("few-shot", "tuned")
    assert one is not None
    assert other is not None
    assert (one.value, one.low, one.wins, one.state) == (-other.value, -other.high, other.losses, "BETTER")
    assert other.state == "WORSE"
    assert e.difference("tuned", "rag") is None


def test_a_variant_that_a_race_dropped_is_worse_whatever_its_mean() -> None:
    race = Race(
        alpha=0.05,
        block=20,
        seed=0,
        questions=100,
        of=100,
        answers=200,
        of_answers=200,
        out={"few-shot": RacedOut(answered=20, better="tuned")},
    )
    e = evidence({"few-shot": 90, "tuned": 60}, race)
    assert (e.best, e.tied) == ("tuned", ("tuned",))


def test_each_pair_of_variants_belongs_to_the_first_contrast_that_compares_it() -> None:
    added = [words for words, _, _ in contrasts(evidence({"rag": 40, "tuned": 50, "tuned-rag": 60}))]
    assert added == ["fine-tuning adds to the best without training", "retrieval adds to fine-tuning"]


def test_a_subset_keeps_the_items_of_its_mask_and_drops_incomplete_variants() -> None:
    s = scored({"few-shot": 2, "tuned": 3}, n=4)
    shorter = ScoredVariants(s.variants, {**s.scores, "tuned": [1.0]}, clusters=["a", "b", "c", "d"])
    subset = shorter.subset([True, False, False, True])
    assert subset.scores == {"few-shot": [1.0, 0.0]}
    assert subset.clusters == ["a", "d"]


def test_without_a_score_there_is_no_evidence() -> None:
    assert evidence_of(ScoredVariants(scored({"rag": 1}).variants, {"rag": [None, None]})) is None


def on_models(right: dict[str, int], n: int = 100) -> Evidence:
    """Variants named few-shot@gpt run on the model gpt."""
    variants = [
        VariantResult(
            name=name,
            family=FAMILY[name.partition("@")[0]],
            description="",
            metrics={},
            settings={"runs_on": model} if (model := name.partition("@")[2]) else {},
        )
        for name in right
    ]
    found = evidence_of(ScoredVariants(variants, {name: [1.0] * k + [0.0] * (n - k) for name, k in right.items()}))
    assert found is not None
    return found


def test_which_model_to_use_is_open_until_it_is_shown() -> None:
    e = on_models({"few-shot": 80, "few-shot@gpt": 82})
    assert (e.best, e.choice, e.one_family_left) == ("few-shot@gpt", "few-shot", False)
    assert e.answer == "cannot tell yet"
    assert on_models({"few-shot": 20, "few-shot@gpt": 82}).answer == "prompt with gpt"
    assert on_models({"few-shot": 82, "few-shot@gpt": 20}).answer == "prompt"
    assert on_models({"few-shot@gpt": 80, "few-shot": 80}).choice == "few-shot"


def test_an_addition_is_seen_on_one_model_and_models_are_compared_by_name() -> None:
    e = on_models({"few-shot": 20, "few-shot@gpt": 60, "rag": 50, "rag@gpt": 70, "tuned": 65})
    pairs = {added: (a, b) for added, a, b in contrasts(e)}
    assert pairs["retrieval adds to prompting"] == ("rag@gpt", "few-shot@gpt")
    assert pairs["fine-tuning adds to the best without training"] == ("tuned", "rag")
    assert pairs["gpt adds to the base"] == ("rag@gpt", "rag")
    assert pairs["gpt adds to the tuned base"] == ("rag@gpt", "tuned")
    e = on_models({"few-shot": 20, "few-shot@small": 30, "tuned": 60, "tuned@small": 95})
    pairs = {added: (a, b) for added, a, b in contrasts(e)}
    assert pairs["fine-tuning adds to the best without training"] == ("tuned@small", "few-shot@small")
    assert pairs["tuned small adds to the tuned base"] == ("tuned@small", "tuned")
    assert e.answer == "fine-tune with small"


def test_the_oracle_is_of_the_model_that_retrieves_best() -> None:
    right = {"oracle-rag": 60, "oracle-rag@gpt": 99, "rag": 50, "rag@gpt": 70}
    assert on_models(right).oracle == "oracle-rag@gpt"
    assert on_models({**right, "rag": 80}).oracle == "oracle-rag"
    assert on_models({"oracle-rag": 60, "rag": 50, "rag@gpt": 70}).oracle is None
