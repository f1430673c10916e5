"""What the first screen answers, for every kind of outcome."""

from __future__ import annotations

from typing import Any

import pytest

from domainkit.report.sections.first_screen import NOT_COUNTED, SHEET_ROWS, answers, sheet_rows, what_it_is
from domainkit.results.schema import Results, WithoutLeaks


def with_verdict(results: Results, **fields: Any) -> Results:
    return results.model_copy(update={"verdict": results.verdict.model_copy(update=fields)})


def test_how_good_stands_beside_the_best_other_the_baseline_and_a_guess(label_results: Results) -> None:
    good = answers(label_results)[0]
    assert (good.short, good.unit) == ("89.6", "%")
    assert good.lines[0] == "Accuracy, 95 % interval 85.1 to 92.8."
    assert "(baseline), a guess among the labels 16.7 %" in good.lines[1]
    assert "(best of the others)" in good.lines[1]


@pytest.mark.parametrize(
    ("fields", "short", "said"),
    [
        ({"tied": ()}, "Shown", "each of the 7 other variants is shown to be worse"),
        ({"tied": ("tuned-knn", "rag")}, "Shown, with equals", "tuned-knn and rag may be as good"),
        ({"answer": "cannot tell yet", "tied": ("rag",)}, "Not settled", "Not told apart from tuned: rag."),
        (
            {"without_leaks": WithoutLeaks(answer="prompt", choice="few-shot", changed=True)},
            "It hangs on leaks",
            "the answer is 'prompt' (few-shot)",
        ),
        ({"choice": ""}, "Nothing is decided", "240 questions were asked."),
    ],
)
def test_how_sure_says_what_was_shown(label_results: Results, fields: dict[str, Any], short: str, said: str) -> None:
    sure = next(a for a in answers(with_verdict(label_results, **fields)) if a.question == "How sure?")
    assert sure.short == short
    assert said in " ".join(sure.lines)
    assert "240 questions" in " ".join(sure.lines)


def test_the_cost_says_whose_prices_these_are(full: Results, label_results: Results) -> None:
    assert full.cost is not None
    priced = answers(full)[2]
    assert priced.lines[0] == "For 1,000 questions."
    ours = full.cost.prices.model_copy(update={"defaults": ("currency",), "source": "the defaults of domainkit"})
    default = full.model_copy(update={"cost": full.cost.model_copy(update={"prices": ours})})
    assert "No prices were given" in answers(default)[2].lines[-1]
    assert "--prices prices.toml" in answers(default)[2].lines[-1]
    theirs = ours.model_copy(update={"source": "mine.toml"})
    part = full.model_copy(update={"cost": full.cost.model_copy(update={"prices": theirs})})
    assert answers(part)[2].lines[-1] == "Not in mine.toml, so domainkit's own: currency."
    assert NOT_COUNTED in answers(label_results)[2].lines


def test_the_description_loses_its_figures(label_results: Results) -> None:
    first = label_results.variants[0]
    long = first.model_copy(update={"description": "No language model: a tree (best of 3, 56.1 %)."})
    assert what_it_is(long) == "No language model: a tree."
    assert what_it_is(first.model_copy(update={"description": ""})) == ""


def test_the_sheet_keeps_the_recommended_variant_and_the_baseline(label_results: Results) -> None:
    weakest = min(label_results.variants, key=lambda v: v.metrics["label_accuracy"].value or 0)
    many = tuple(
        label_results.variants[1].model_copy(update={"name": f"more {k}", "difference": None}) for k in range(9)
    )
    results = with_verdict(
        label_results.model_copy(update={"variants": (*label_results.variants, *many)}), choice="rag"
    )
    rows, left_out = sheet_rows(results.model_copy(update={"baseline": weakest.name}))
    names = [v.name for v, _ in rows]
    assert {"rag", weakest.name} <= set(names)
    assert len(names) == SHEET_ROWS
    assert left_out == len(results.variants) - SHEET_ROWS
