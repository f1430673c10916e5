from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from domainkit.report import print_table
from domainkit.results.schema import Portfolio, Results


def printed(results: Results | Portfolio, *, width: int = 80, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    print_table(results, Console(file=out, width=width, force_terminal=False))
    out.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_wider_than_the_terminal(label_results: Results, width: int) -> None:
    text = printed(label_results, width=width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    for part in (
        "classical",
        "77.1",
        "+39.6",
        "▲ BETTER",
        "? CANNOT TELL YET",
        "needs about 1,840",
        "recommended",
        "fine-tune",
    ):
        assert part in text


def test_markup_and_control_characters_are_printed_not_obeyed(label_results: Results) -> None:
    words = "[bold red]x[/bold red] [/] \x1b[2J [link=http://evil]y[/link]"
    verdict = label_results.verdict.model_copy(
        update={"answer": words, "headline": words, "reasons": (words,), "choice": words}
    )
    first = label_results.variants[0].model_copy(update={"name": words})
    text = printed(
        label_results.model_copy(
            update={
                "verdict": verdict,
                "variants": (first, *label_results.variants[1:]),
                "left_out": {words: words},
            }
        ),
        width=200,
    )
    assert "\x1b" not in text
    assert text.count("[bold red]x[/bold red] [/] ⟨U+001B⟩[2J") >= 3


def test_a_long_name_folds_and_stays_inside(label_results: Results) -> None:
    first = label_results.variants[0].model_copy(update={"name": "n" * 300})
    text = printed(label_results.model_copy(update={"variants": (first, *label_results.variants[1:])}))
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("n") >= 300


def test_a_terminal_without_unicode_gets_plain_letters(label_results: Results) -> None:
    text = printed(label_results, encoding="ascii")
    assert "+ BETTER" in text
    assert "fine-tune" in text


def test_several_comparisons_are_printed_in_turn(label_results: Results, answer_results: Results) -> None:
    text = printed(Portfolio(title="Both", comparisons=(label_results, answer_results)))
    assert text.index("Bank support routing") < text.index("Pump manual questions")


def test_cost_and_the_gate_are_printed(full: Results) -> None:
    text = printed(full)
    shown = " ".join(text.split())
    assert "tuned becomes cheaper than knn-few-shot from about 2,400 questions" in shown
    assert "The gate at −2 points cannot tell yet." in shown
    assert max(map(cell_len, text.splitlines())) <= 80
