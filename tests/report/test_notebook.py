"""What a notebook shows of results, a verdict, several comparisons."""

from __future__ import annotations

from domainkit.results.schema import Portfolio, Results
from tests.report.test_html import HOSTILE, Page, with_hostile_words


def test_results_answer_what_the_first_screen_answers(label_results: Results) -> None:
    shown = Page(label_results._repr_html_()).text
    for said in ("Fine-tune", "How good?", "How sure?", "What does it cost?", "Base model", "What limits it"):
        assert said in shown
    assert all(v.name in shown for v in label_results.variants)


def test_a_verdict_shows_itself_without_the_run(label_results: Results) -> None:
    shown = Page(label_results.verdict._repr_html_()).text
    assert label_results.verdict.headline in shown
    assert "How sure?" not in shown


def test_several_comparisons_stand_below_each_other(label_results: Results, answer_results: Results) -> None:
    shown = Page(Portfolio(title="Both", comparisons=(label_results, answer_results))._repr_html_()).text
    assert shown.index("Bank support routing") < shown.index("Pump manual questions")


def test_hostile_text_stays_text(label_results: Results) -> None:
    for words in HOSTILE:
        page = Page(with_hostile_words(label_results, words)._repr_html_())
        assert {tag for tag, _ in page.elements} <= {
            *("div", "p", "bdi", "b", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "ul", "li")
        }
        assert {name for _, attrs in page.elements for name in attrs} <= {"style"}
