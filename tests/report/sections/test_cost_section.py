"""The sentences of the section on cost."""

from __future__ import annotations

import pytest

from domainkit.report.sections.cost_section import break_even_sentence, price_sentences, spread_text, unknown
from domainkit.results.schema import BreakEven, Estimate, Results


@pytest.mark.parametrize(
    ("point", "sentence"),
    [
        (
            BreakEven(variant="t", rival="r", state="at once", questions=0),
            "t is cheaper than r from the first question.",
        ),
        (
            BreakEven(variant="t", rival="r", state="from", questions=0.3, low=0.2, high=0.4),
            "t is cheaper than r from the first question.",
        ),
        (
            BreakEven(variant="t", rival="r", state="unknown", reason="no receipt"),
            "t against r: not known, because no receipt.",
        ),
        (
            BreakEven(variant="t", rival="r", state="from", questions=100, low=80, reason="not settled"),
            "t becomes cheaper than r from about 100 questions (at least 80, no upper end): not settled.",
        ),
    ],
)
def test_break_evens_in_words(point: BreakEven, sentence: str) -> None:
    assert break_even_sentence(point) == sentence


def test_a_cheap_rival_that_answers_worse_is_not_an_equal() -> None:
    point = BreakEven(variant="t", rival="r", state="never", reason="a question costs more with t", rival_worse=True)
    assert break_even_sentence(point) == (
        "t never becomes cheaper than r: a question costs more with t. r is shown to answer worse."
    )


def test_prices_name_their_source_and_the_defaults(full: Results) -> None:
    assert full.cost is not None
    prices, defaults = price_sentences(full.cost)
    assert prices.startswith("Prices in USD: a machine-hour 0.1 (training 1.20), a million tokens 0.15 in and 0.6 out")
    assert prices.endswith("; from my.toml.")
    assert defaults == "Defaults of domainkit: machine.cpu_hour. Set your own with --prices FILE."


def test_a_variant_of_unknown_cost_is_named_with_the_reason(full: Results) -> None:
    assert full.cost is not None
    assert unknown(full.cost) == []
    missing = full.cost.variants[2].model_copy(
        update={"training": None, "reason": "the adapter has no training receipt"}
    )
    assert unknown(full.cost.model_copy(update={"variants": (missing,)})) == [
        "tuned: the adapter has no training receipt"
    ]


def test_an_interval_without_an_upper_end_has_a_lower_one() -> None:
    assert spread_text(Estimate(value=2e-5, low=1.5e-5), 1000) == "from 0.015"
    assert spread_text(Estimate(value=None)) == ""
