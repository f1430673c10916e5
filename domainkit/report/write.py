"""Write the report beside results.json."""

from __future__ import annotations

from pathlib import Path

from domainkit.report.html import render
from domainkit.report.markdown import to_markdown
from domainkit.report.sections.use_section import loadable_from
from domainkit.results.schema import Portfolio, load_results
from domainkit.storage import write_text


def write_report(run: Path | str) -> tuple[Path, Path]:
    """Write report.html and report.md beside results.json and return their paths.

    `run` is the run folder or its results.json, of one comparison or of several (a Portfolio). Raises DataError where
    that is not a results file, MachineError where the folder cannot be written.
    """
    run = Path(run)
    results = load_results(run)
    folder = run if run.is_dir() else run.parent
    page, summary = folder / "report.html", folder / "report.md"
    named = None if isinstance(results, Portfolio) else loadable_from(folder, results)
    write_text(page, render(results, named))
    write_text(summary, to_markdown(results, named))
    return page, summary
