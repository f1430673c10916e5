from __future__ import annotations

import re

from domainkit.report import to_markdown
from domainkit.results.schema import Portfolio, Results


def test_every_row_of_a_table_has_as_many_cells_as_its_head(label_results: Results) -> None:
    item = label_results.items[2]
    answers = {k: a.model_copy(update={"text": "a | b\n| c |"}) for k, a in item.answers.items()}
    hostile = label_results.model_copy(
        update={"items": (item.model_copy(update={"answers": answers}), *label_results.items[3:])}
    )
    for block in to_markdown(hostile).split("\n\n"):
        if block.startswith("|"):
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}) == 1


def test_the_sections_stand_in_order(label_results: Results) -> None:
    text = to_markdown(label_results)
    assert text.startswith("# Bank support routing: fine-tune\n")
    places = [
        text.index(part)
        for part in ("**Why**", "## Variants", "## Groups", "## Wins", "## Flips", "## Leakage", "## How")
    ]
    assert places == sorted(places)
    assert "| — [1] | — [1] | 2 ms | — [2] |" in text
    assert "- [2] a classical model is not timed alone" in text
    assert "agent was left out: the corpus has no index" in text
    assert "tuned answers 95 of 240 questions better than zero-shot:" in text


def test_several_comparisons_keep_one_title(label_results: Results, answer_results: Results) -> None:
    text = to_markdown(Portfolio(title="Two tasks", comparisons=(label_results, answer_results)))
    assert re.findall(r"^# .*", text, re.MULTILINE) == ["# Two tasks"]
    assert "## Bank support routing: fine-tune" in text
    assert "### Variants" in text


def test_markdown_has_every_element(rich: Results) -> None:
    text = to_markdown(rich)
    for said in (
        "**Next best action**",
        "(dropped after 60)",
        "## Learning curve",
        "| forecast |",
        "## Where retrieval loses questions",
        "Different comparisons on these questions so far: 7",
        "a race: 240 of 300 questions asked",
        "| tuned | 0, 1, 2 | 88.0, 86.0, 90.0 | 88.0 (82.0 to 94.0) | +30.0 (+22.0 to +38.0) |",
        "(reading 0.40 s)",
        "tuned 1,200",
    ):
        assert said in text, said


def test_cost_and_forgetting_are_sections(full: Results) -> None:
    text = to_markdown(full)
    assert "## Cost" in text
    assert "**Fine-tuning lost 3.0 points on 350 general questions (−5.5 to −0.5). The gate at −2 points cannot" in text
    assert "from 0.015" in text  # no upper end of the cost per right answer
    assert "classical is shown to answer worse." in text
