"""Cost and forgetting in the page, the Markdown and the terminal."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from domainkit.report import print_table, render, to_markdown
from domainkit.report.sections.cost import break_even_sentence, lines_of, volume_chart, volume_data
from domainkit.report.wording.numbers import money, volume
from domainkit.results.schema import (
    BreakEven,
    Cost,
    Difference,
    Estimate,
    Forgetting,
    GeneralText,
    LostQuestion,
    Prices,
    Results,
    VariantCost,
)

HOSTILE = "<script>alert(1)</script>\u202e"


def cost(*, known: bool = True, rival: str = "knn-few-shot") -> Cost:
    def priced(name: str, each: float, training: float | None = 0.0) -> VariantCost:
        return VariantCost(
            name=name, paid_by="machine time", per_thousand=Estimate(value=1000 * each, low=900 * each, high=1100 * each, n=240),
            per_correct=Estimate(value=2 * each, low=1.5 * each, n=240), tokens_per_thousand=0.03, training=training,
            reason="" if training is not None else "the adapter has no training receipt",
        )  # fmt: skip

    point = BreakEven(variant="tuned", rival=rival, state="from", questions=2_424, low=2_100, high=2_735)
    return Cost(
        prices=Prices(machine_hour=0.1, training_hour=1.2, input_per_million=0.15, output_per_million=0.6,
                      defaults=("machine.cpu_hour",), source="my.toml"),
        variants=(priced("zero-shot", 2e-5), priced(rival, 3e-5), priced("tuned", 1e-5, 0.05 if known else None), priced("classical", 0.0)),
        break_even=(point, BreakEven(variant="tuned", rival="classical", state="never", reason="a question costs more with tuned", rival_worse=True)),
    )  # fmt: skip


def forgetting(question: str = "What melts ice?") -> Forgetting:
    d = Difference(value=-0.03, low=-0.055, high=-0.005, n=350, wins=4, ties=332, losses=14, p=0.03, p_adjusted=0.03,
                   state="WORSE", margin=0.02)  # fmt: skip
    base, tuned = Estimate(value=0.6, low=0.55, high=0.65, n=350), Estimate(value=0.57, low=0.52, high=0.62, n=350)
    return Forgetting(
        base=base, tuned=tuned, difference=d, gate="cannot tell yet", margin=0.02, groups={"ARC-Easy": (base, tuned), "OpenBookQA": (base, tuned)},
        lost=(LostQuestion(id="arc-1", question=question, right="heat", now=HOSTILE),), gained=4,
        text=GeneralText(base=1.1, tuned=1.15, difference=0.05, low=0.02, high=0.08, n=12, bytes=9_000), source="general.jsonl", seconds=42.0,
    )  # fmt: skip


@pytest.fixture
def full(label_results: Results) -> Results:
    return label_results.model_copy(update={"cost": cost(), "forgetting": forgetting()})


def test_the_page_has_both_sections_in_order(full: Results) -> None:
    page = render(full)
    places = [
        page.index(f'<section id="{name}"')
        for name in ("variants", "cost", "volume", "forgetting", "leakage", "origin")
    ]
    assert places == sorted(places)
    assert "tuned becomes cheaper than knn-few-shot from about 2,400 questions (2,100 to 2,700)." in page
    assert "Defaults, not yours: machine.cpu_hour." in page
    assert "Gate cannot tell yet" in page
    assert page.count('class="volume-chart') == 2
    assert 'value="3"' in page  # quality against cost is the third view


def test_without_them_the_page_says_nothing_of_them(label_results: Results) -> None:
    page = render(label_results)
    assert 'id="volume"' not in page
    assert 'id="forgetting"' not in page
    assert "## Cost" not in to_markdown(label_results)


def test_markdown_and_terminal_tell_the_same(full: Results) -> None:
    text = to_markdown(full)
    assert "## Cost" in text
    assert "## Forgetting" in text
    assert "**Fine-tuning lost 3.0 points on 350 general questions (−5.5 to −0.5): gate cannot tell yet" in text
    assert "from 0.015" in text  # no upper end of the cost per right answer
    assert "classical is shown to answer worse." in text
    out = io.StringIO()
    print_table(full, Console(file=out, width=80, color_system=None))
    shown = " ".join(out.getvalue().split())
    assert "tuned becomes cheaper than knn-few-shot from about 2,400 questions" in shown
    assert "gate cannot tell yet" in shown
    assert max(len(line) for line in out.getvalue().splitlines()) <= 80


def test_hostile_names_and_answers_stay_text(build_results: Callable[..., Results]) -> None:
    results = build_results(12).model_copy(update={"cost": cost(rival=HOSTILE), "forgetting": forgetting(HOSTILE)})
    page = render(results)
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩" in page
    text = to_markdown(results)
    assert "<script>" not in text
    assert "\u202e" not in text
    block = re.search(r'<script type="application/json" class="volume-data">(.*?)</script>', page, re.DOTALL)
    assert block
    assert [li["name"] for li in json.loads(block[1])["lines"]][1] == HOSTILE


def test_a_variant_of_unknown_cost_is_not_drawn_but_named(label_results: Results) -> None:
    unknown = cost(known=False)
    assert [li.name for li in lines_of(unknown)] == ["zero-shot", "knn-few-shot", "classical"]
    page = render(label_results.model_copy(update={"cost": unknown}))
    assert "tuned: the adapter has no training receipt" in page


def test_free_variants_run_along_the_floor(label_results: Results) -> None:
    chart = volume_chart(label_results.model_copy(update={"cost": cost()}))
    assert "nan" not in chart
    assert "inf" not in chart
    assert "95 % interval" not in chart
    data = volume_data(cost())
    assert data["low"] == 2.0
    assert data["high"] == 6.0


@pytest.mark.parametrize(
    ("point", "told"),
    [
        (
            BreakEven(variant="t", rival="r", state="at once", questions=0),
            "t is cheaper than r from the first question.",
        ),
        (
            BreakEven(variant="t", rival="r", state="unknown", reason="no receipt"),
            "t against r: not known, since no receipt.",
        ),
        (
            BreakEven(variant="t", rival="r", state="from", questions=100, low=80, reason="not settled"),
            "t becomes cheaper than r from about 100 questions (at least 80, no upper end): not settled.",
        ),
    ],
)
def test_break_evens_in_words(point: BreakEven, told: str) -> None:
    assert break_even_sentence(point) == told


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "—"), (float("nan"), "—"), (0.0, "0"), (0.000012, "<0.0001"), (0.00012, "0.00012"), (0.0047, "0.0047"), (12.345, "12.35"), (1234.5, "1,234")],
)  # fmt: skip
def test_money_is_short(value: float | None, shown: str) -> None:
    assert money(value) == shown


def test_volumes_have_two_digits_that_count() -> None:
    assert [volume(v) for v in (2_424.9, 75_921.0, 7.0, None)] == ["2,400", "76,000", "7", "—"]
