"""Results as Markdown for a README or a pull request."""

from __future__ import annotations

from domainkit.report import since_last
from domainkit.report.markdown import operation, training, variants
from domainkit.report.markdown.decision import by_people, decision
from domainkit.report.since_last import SinceLast
from domainkit.report.wording.markdown_text import escape, table
from domainkit.results.schema import Portfolio, Results


def to_markdown(results: Results | Portfolio, folder: str | None = None, since: SinceLast | None = None) -> str:
    """The verdict, the table of variants, and the details; for several comparisons, one after the other. `folder` is
    the run folder from which the variants can be loaded; `since` an earlier run to set beside it."""
    if isinstance(results, Portfolio):
        heads = ("Task", "Answer", "Recommended variant")
        rows = [[escape(t) for t in (r.task.name, r.verdict.answer, r.verdict.choice)] for r in results.comparisons]
        top = [f"# {escape(results.title)}", table(heads, rows, right_from=3)]
        return "\n\n".join(
            [*top, *(to_markdown(r).replace("\n## ", "\n### ").replace("# ", "## ", 1) for r in results.comparisons)]
        )
    blocks = [
        f"# {escape(results.task.name)}: {escape(results.verdict.answer)}",
        *decision(results),
        *by_people(results),
        *(since_last.markdown(since) if since else ()),
        *variants.variants(results),
        *variants.models(results),
        *variants.judging(results),
        *variants.groups(results),
        *variants.parts(results),
        *variants.wins(results),
        *variants.flips(results),
        *training.curve(results),
        *training.recipes(results),
        *operation.cost(results),
        *operation.waterfall(results),
        *operation.retrieval(results),
        *training.forgetting(results),
        *operation.leakage(results),
        *operation.origin(results),
        *operation.use(results, folder),
    ]
    return "\n\n".join(blocks) + "\n"
