"""What the certificate says, from results alone; texts of others stay text."""

from __future__ import annotations

from domainkit.leaving.certificate import also_sentence, certificate_of
from domainkit.leaving.decision import decide_leaving
from domainkit.results.schema import Results, SetUse
from tests.leaving.made_up import FACTS, HALF, ONES, left


def headline_of(results: Results) -> str:
    return certificate_of(results, "run").headline


def test_the_headline_states_margin_confidence_and_bound() -> None:
    said = headline_of(left({"incumbent": ONES, "tuned": ONES}))
    assert said.startswith(
        "tuned is not worse than openai:ft:gpt-4o-mini:desk by more than 2 points, with 95 % confidence: the "
        "difference is above −0."
    )
    assert headline_of(left({"incumbent": ONES, "tuned": HALF})) == (
        "tuned is worse than openai:ft:gpt-4o-mini:desk by 25.0 points, and the loss may be 2 points or more."
    )
    assert " may be as good as openai:ft:gpt-4o-mini:desk, or worse by 2 points or more: with 95 % confidence" in (
        headline_of(left({"incumbent": ONES[:40], "tuned": ONES[:40]}))
    )


def test_a_model_that_was_closed_is_said_with_its_first_error() -> None:
    closed = left({"incumbent": [*ONES[:30], *[None] * 10], "tuned": ONES[:40]})
    made = certificate_of(closed, "run")
    assert (
        "The model in use answered 30 of 40 questions; the first other one failed with: NotFoundError: the model has "
        "been closed. Such questions take no part."
    ) in made.cautions
    nothing = certificate_of(left({"incumbent": [None] * 40, "tuned": ONES[:40]}), "run")
    assert nothing.headline == (
        "No question has a score of both tuned and openai:ft:gpt-4o-mini:desk: openai:ft:gpt-4o-mini:desk answered "
        "none of 40 questions."
    )


def test_versions_dates_hashes_and_commands() -> None:
    made = certificate_of(left({"incumbent": ONES, "tuned": ONES}), "my run", "0" * 64)
    facts = dict(made.facts)
    assert facts["Its version"] == "gpt-4o-mini-2024-07-18 fp_1"
    assert facts["Asked"] == "2026-03-01 to 2026-03-02; the messages of the rows as they are"
    assert facts["Base"] == f"builtin:tiny, fingerprint {'b' * 16}"
    assert facts["Adapter"].startswith(f"SHA-256 {'a' * 16}")
    assert made.verify == ("domainkit report 'my run'", f"sha256sum 'my run/results.json'   # {'0' * 64}")


def test_cautions_on_the_test_set_and_the_provider() -> None:
    unnamed = FACTS.model_copy(update={"versions": ()})
    use = SetUse(comparisons=7, for_choosing=2)
    made = certificate_of(left({"incumbent": ONES[:40], "tuned": ONES[:40]}, unnamed, test_use=use), "run")
    said = " ".join(made.cautions)
    assert "40 questions are few" in said
    assert "used 2 times to choose settings" in said
    assert "7th different comparison" in said
    assert "no version was reported" in said


def test_what_passed_without_being_a_candidate_is_named_and_no_proof() -> None:
    columns = {"incumbent": HALF, "tuned": [0.0] * 1200, "classical": ONES, "trivial": [0.0] * 1200}
    assert also_sentence(decide_leaving(left(columns))) == (
        "classical is within the margin too, without having been a candidate: a proof takes new questions, with "
        "--candidates classical."
    )
    assert also_sentence(decide_leaving(left({"incumbent": ONES, "tuned": ONES}))) == ""
