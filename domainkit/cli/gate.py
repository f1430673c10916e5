"""domainkit gate: may this run replace that one? The exit code says it, for a script or a continuous integration."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domainkit.cli.terminal.output import record, tell_next
from domainkit.errors import ConfigError

if TYPE_CHECKING:
    from domainkit.verdict.gate import GateDecision

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""Environment variable: in GitHub Actions, the file whose text is shown on the run's page."""
FACTS = ("outcome", "reason", "metric", "margin", "variants", "scores", "difference", "bound", "needed", "cautions")
"""Of a decision, for --json."""
WORKFLOW = """\
# .github/workflows/gate.yml: no pull request makes the answers worse.
# runs/released is the run folder of what is in use (its results.json is enough); compare.toml says how to compare.
name: gate
on: pull_request
permissions:
  contents: read
jobs:
  gate:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install domainkit
      - run: domainkit compare compare.toml --out runs/candidate
      # Exit code 0: not worse. 1: worse. 3: too few questions to tell. Any but 0 fails the job.
      # To let "cannot tell" pass, end the line with: || [ $? -eq 3 ]
      - run: domainkit gate runs/candidate --against runs/released --margin 2
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: candidate
          path: runs/candidate
"""


def gate(
    run: Annotated[
        Path | None, typer.Argument(help="Run folder of the candidate, or its results.json.", show_default=False)
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Run of what is in use, on the same questions.", show_default=False)
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="Variant of both runs; left out, what each run recommends.", show_default=False)
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(help="Loss in points that would not matter; left out, the runs' own.", show_default=False),
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(
            help="Also write the decision to this file, as Markdown. In GitHub Actions it is added to the summary of "
            "the job in any case.",
            show_default=False,
        ),
    ] = None,
    workflow: Annotated[
        bool, typer.Option("--workflow", help="Print a GitHub Actions workflow that uses the gate, and end.")
    ] = False,
) -> None:
    """May RUN replace the run --against? Exit code 0: it is not worse. 1: it is worse. 3: the questions are too few to
    tell."""
    if workflow:
        if any(given is not None for given in (run, against, variant, margin, summary)):
            raise ConfigError("--workflow takes no other argument", next_step="domainkit gate --workflow > gate.yml")
        typer.echo(WORKFLOW, nl=False)
        record(workflow=WORKFLOW)
        return
    if run is None or against is None:
        raise ConfigError(
            "the gate needs two runs", next_step="domainkit gate RUN --against RUN, or domainkit gate --workflow"
        )
    decision = decide(run, against, variant, margin)
    tell(decision, (str(run), str(against)), summary)
    raise typer.Exit(decision.exit_code)


def decide(run: Path, against: Path, variant: str | None, margin: float | None) -> GateDecision:
    """Read both runs and decide. `margin` in points."""
    from domainkit.results.schema import load_results
    from domainkit.results.variants import content_keys
    from domainkit.verdict.gate import decide_gate

    fraction = None if margin is None else margin / 100
    keys = [content_keys(folder) for folder in (run, against)]
    return decide_gate(load_results(run), load_results(against), variant=variant, margin=fraction, keys=keys)


def tell(decision: GateDecision, names: tuple[str, str], summary: Path | None) -> None:
    """Print the decision, write the summaries, and say what to do next."""
    from rich.console import Console

    from domainkit.report.gate_summary import gate_markdown, print_gate
    from domainkit.storage import write_text
    from domainkit.visible import visible

    console = Console()
    print_gate(decision, console, names)
    text = gate_markdown(decision, names)
    if summary is not None:
        write_text(summary, text)
        typer.echo(f"Wrote {visible(summary)}")
    if step := os.environ.get(STEP_SUMMARY):
        _append(Path(step), text)
        typer.echo("Added to the summary of the job")
    record(**{name: getattr(decision, name) for name in FACTS}, candidate=names[0], reference=names[1])
    side_by_side = shlex.join(["domainkit", "report", "--compare", names[1], names[0]])
    steps = {
        "passed": ("", shlex.join(["domainkit", "serve", names[0]])),
        "worse": ("look at the questions it lost: ", side_by_side),
        "cannot tell": ("add test questions and compare both again; what changed: ", side_by_side),
    }
    what, command = steps[decision.outcome]
    tell_next(command, lead=f"\nNext: {what}")


def _append(path: Path, text: str) -> None:
    """Other steps of the job write into the same file."""
    from domainkit.errors import saving

    with saving(path), path.open("a", encoding="utf-8") as f:
        f.write(text)
