"""Write the report beside results.json."""

from __future__ import annotations

from pathlib import Path

from domainkit.errors import ConfigError
from domainkit.report.html import render
from domainkit.report.markdown import to_markdown
from domainkit.report.sections.use_section import loadable_from
from domainkit.report.since_last import previous_of
from domainkit.results.schema import Portfolio, load_results
from domainkit.storage import write_text


def write_report(run: Path | str, against: Path | str | None = None) -> tuple[Path, Path]:
    """Write report.html and report.md beside results.json and return their paths.

    `run` is the run folder or its results.json, of one comparison or of several (a Portfolio). `against` is an earlier
    run that is set beside it; left out, that is the one whose results this run replaced, if it did. Raises DataError
    where one of them is not a results file, ConfigError where `against` cannot be used, MachineError where the folder
    cannot be written.
    """
    run = Path(run)
    results = load_results(run)
    folder = run if run.is_dir() else run.parent
    page, summary = folder / "report.html", folder / "report.md"
    if isinstance(results, Portfolio):
        if against is not None:
            what = "a run of several comparisons has no single run before it"
            raise ConfigError(what, where=str(run), next_step="name the folder of one of them")
        write_text(page, render(results))
        write_text(summary, to_markdown(results))
        return page, summary
    since = previous_of(folder, results, Path(against) if against is not None else None)
    named = loadable_from(folder, results)
    write_text(page, render(results, named, since))
    write_text(summary, to_markdown(results, named, since))
    return page, summary
