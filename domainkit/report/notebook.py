"""Results and a verdict as a notebook shows them: what the report's first screen says, as a fragment of HTML.

Nothing in it is trusted, it loads nothing, and its colours are those of the notebook: a page around it may be dark.
"""

from __future__ import annotations

from domainkit.report.html import page_environment
from domainkit.report.sections.first_screen import answers
from domainkit.report.sections.grounds import grounds
from domainkit.report.wording import labels
from domainkit.results.schema import Portfolio, Results, Verdict


def results_html(results: Results) -> str:
    """The verdict, how good, how sure, at what cost, what it rests on, and the table of variants."""
    return (
        page_environment()
        .get_template("notebook.html")
        .render(
            v=results.verdict,
            r=results,
            answers=answers(results),
            grounds=grounds(results),
            primary_name=labels.primary_heading(results),
        )
    )


def verdict_html(verdict: Verdict) -> str:
    """The verdict alone."""
    return page_environment().get_template("notebook.html").render(v=verdict, r=None, answers=(), grounds=())


def portfolio_html(portfolio: Portfolio) -> str:
    """Every comparison, one below the other."""
    return "\n".join(map(results_html, portfolio.comparisons))
