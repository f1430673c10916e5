"""domainkit leave: a model in use against an adapter of your own, and a certificate of the decision."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domainkit.cli.options import MAP_HELP, ROWS_HELP, field_help
from domainkit.cli.settings import as_path, read_settings, require, split_names, take_own_options
from domainkit.cli.terminal.output import hint, record, tell_next
from domainkit.comparison.config import CompareConfig
from domainkit.corpus.rows.columns import parse_columns
from domainkit.errors import ConfigError

if TYPE_CHECKING:
    from domainkit.leaving.decision import LeaveDecision
    from domainkit.messages import JsonObject

PATHS = ("task", "train", "tools", "schema", "adapter", "teach")
FACTS = ("outcome", "margin", "tests", "incumbent_score", "failed", "leaked")
"""Of a decision, for --json."""
SETTINGS_HELP = (
    "A run file, and settings that override it: those of domainkit compare, fit.epochs=2 for the training, "
    "and teaching.samples=3 for what the model in use teaches: those of domainkit distil."
)


def leave(
    context: typer.Context,
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN.toml] [KEY=VALUE]...", help=SETTINGS_HELP, show_default=False)
    ] = None,
    incumbent: Annotated[
        str | None,
        typer.Option(
            help="The model in use: provider:model of LangChain's integrations (openai:ft:…), server:URL#model, "
            "module:function, a base, or an adapter."
        ),
    ] = None,
    train: Annotated[Path | None, typer.Option(help=f"Rows to train on, as the model was: {ROWS_HELP}")] = None,
    task: Annotated[
        Path | None, typer.Option(help="Test questions with their answers, none of them in --train.")
    ] = None,
    adapter: Annotated[
        Path | None, typer.Option(help="An adapter that is there already; then none is trained.")
    ] = None,
    candidates: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated variants that may take its place, the preferred one first; left out, tuned and "
            "tuned-knn. Several share the 5 % of error, so each needs more questions."
        ),
    ] = None,
    asked_as: Annotated[
        str | None,
        typer.Option(
            help="rows: ask it the messages of the rows as they are. instruction: put an instruction before the "
            "question. Left out: rows for a fine-tuned model, and where the rows have system turns."
        ),
    ] = None,
    curve: Annotated[
        bool, typer.Option("--curve", help="Train on parts of the rows, too: how many rows would close a gap.")
    ] = False,
    teach: Annotated[
        Path | None,
        typer.Option(
            help="Questions without answers, as for distil: the model in use answers them, and what is accepted joins "
            "--train (teaching.samples=3, teaching.budget_money=2). Its provider's terms must allow that."
        ),
    ] = None,
    columns: Annotated[str | None, typer.Option("--map", help=MAP_HELP)] = None,
    tools: Annotated[Path | None, typer.Option(help="JSON list of tools for rows that bring none.")] = None,
    schema: Annotated[Path | None, typer.Option(help="JSON Schema of the objects that are answers.")] = None,
    kind: Annotated[str | None, typer.Option(help=field_help(CompareConfig, "kind"))] = None,
    base: Annotated[str | None, typer.Option(help=field_help(CompareConfig, "base"))] = None,
    margin: Annotated[float | None, typer.Option(help="Loss in points that would not matter; left out, 2.")] = None,
    prices: Annotated[
        Path | None, typer.Option(help="Price table (TOML); [variants.incumbent] is that of the model in use.")
    ] = None,
    budget: Annotated[float | None, typer.Option(help=field_help(CompareConfig, "budget"))] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; an interrupted run continues in it.")] = None,
) -> None:
    """May a model in use be left for an adapter of your own? Trains one, compares both on the same questions, and
    writes a one-page certificate. Exit code 0: it may. 1: not yet, the adapter is worse. 3: cannot tell yet, or not
    decided, since the budget ended."""
    # The signature above is the only list of this command's options: `context.params` has their values by name.
    given = {"map" if n == "columns" else n: v for n, v in context.params.items() if n not in ("settings", "curve")}
    flags = {k: str(v) if isinstance(v, Path) else v for k, v in given.items()}
    if margin is not None:
        flags["margin"] = margin / 100
    values = read_settings(settings or [], flags)
    teaching = _teaching(values)
    fit = _fit(values, bool(values.get("adapter")))
    own = take_own_options(values, set(flags) - set(CompareConfig.model_fields), CompareConfig.model_fields)
    require(own, "incumbent", "train", "task", "out")
    mapped = parse_columns(own.pop("map", None))

    from domainkit.leaving.leave import CANDIDATES
    from domainkit.leaving.leave import leave as run

    names = split_names("candidates", own.pop("candidates", None))
    paths: dict[str, Any] = {name: as_path(name, own.pop(name)) for name in PATHS if name in own}
    folder = as_path("out", own.pop("out"))
    decision = run(
        own.pop("incumbent"),
        out=folder,
        candidates=names or CANDIDATES,
        curve=curve,
        fit=fit,
        teaching=teaching,
        columns=mapped,
        **paths,
        **own,
        **values,
    )
    tell(decision, folder)
    raise typer.Exit(decision.exit_code)


def _fit(values: JsonObject, has_adapter: bool) -> Any:
    """The training's configuration; None where an adapter is given, which no setting can then change."""
    from domainkit.cli.compare import fit_config

    if not has_adapter:
        return fit_config(values, True)
    if any(k == "fit" or k.startswith("fit.") for k in values):
        what = "fit is set, but an adapter is given, so none is trained"
        raise ConfigError(what, where="--adapter", next_step="leave one of them out")
    return None


def _teaching(values: JsonObject) -> JsonObject:
    """The run file's [teaching] table and `teaching.key=value` settings, removed from `values`."""
    table = values.pop("teaching", {})
    if not isinstance(table, dict):
        next_step = "write teaching.samples=3, or a table [teaching]"
        raise ConfigError(f"{table!r} is not a table", where="teaching", next_step=next_step)
    dotted = {k: values.pop(k) for k in list(values) if k.startswith("teaching.")}
    return {**table, **{k.removeprefix("teaching."): v for k, v in dotted.items()}}


def tell(decision: LeaveDecision, folder: Path) -> None:
    """Print the table, the decision, and the next command."""
    from rich.console import Console

    from domainkit.leaving.certificate import also_sentence, headline
    from domainkit.leaving.costs import break_even_sentence
    from domainkit.leaving.facts import about_teaching, taught_words
    from domainkit.leaving.lacking import lacking_sentences
    from domainkit.report.terminal import plain_text, print_table
    from domainkit.visible import visible

    console = Console()
    print_table(decision.results, console)
    styles = {"MAY LEAVE": "bold green", "NOT YET": "bold red", "CANNOT TELL YET": "bold yellow"}
    styles["NOT DECIDED"] = "bold yellow"
    console.print()
    console.print(plain_text(decision.outcome, console, styles[decision.outcome]))
    console.print(plain_text(headline(decision), console))
    more = break_even_sentence(decision)
    if decision.outcome != "MAY LEAVE":
        more = (*lacking_sentences(decision), *more)
    if taught := taught_words(decision):
        console.print(plain_text(f"Taught: {taught}.", console))
        more = (*more, *about_teaching(decision))
    for line in (*more, *filter(None, [also_sentence(decision)])):
        console.print(plain_text(f"- {line}", console, "dim"))
    steps = {
        "MAY LEAVE": shlex.join(["domainkit", "serve", f"{folder}#{decision.test.name}"]),
        "NOT YET": f"look at the questions it lost in {folder / 'report.html'}, add rows like them to --train, "
        "and run the same command again",
        "CANNOT TELL YET": "add test questions and run the same command again: only the new ones are asked",
        "NOT DECIDED": "run the same command again with a larger --budget: it asks only what is missing",
    }
    if decision.failed:
        steps["CANNOT TELL YET"] = "run the same command again: only the questions that failed are asked"
    typer.echo(f"\nOpen {visible(folder / 'certificate.html')} in a browser: one page to print.")
    record(**{name: getattr(decision, name) for name in FACTS}, run=folder, certificate=folder / "certificate.html")
    if decision.outcome == "MAY LEAVE":
        tell_next(steps[decision.outcome])
    else:
        hint(f"Next: {steps[decision.outcome]}")
