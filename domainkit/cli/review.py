"""domainkit review: the desk on which a person judges a run's answers; and its reviews as rows."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domainkit.cli.terminal.output import hint, next_command, record, refuse_json, tell_next
from domainkit.errors import ConfigError
from domainkit.visible import visible

if TYPE_CHECKING:
    from domainkit.results.review_plan import ReviewPlan
    from domainkit.results.schema import Results
    from domainkit.review.desk import Desk

HOST = "127.0.0.1"
DEFAULT_PORT = 8010
DEFAULT_REVIEWER = "expert"


def review(
    run: Annotated[Path, typer.Argument(help="Run folder of a finished comparison.")],
    variants: Annotated[
        str | None,
        typer.Option(
            help="One variant, or two as A,B; left out, the recommended one and the baseline.", show_default=False
        ),
    ] = None,
    reviewer: Annotated[
        str | None,
        typer.Option(
            help="Who reviews; left out, expert. A second person gets a part of the same questions, to see how far two "
            "agree.",
            show_default=False,
        ),
    ] = None,
    reviews: Annotated[
        int | None, typer.Option(help="Questions to review; left out, 50, or as before.", show_default=False)
    ] = None,
    rubric: Annotated[
        str | None,
        typer.Option(help="What makes an answer right: a text, or a file of it.", show_default=False),
    ] = None,
    port: Annotated[int | None, typer.Option(help="Left out, 8010; 0 takes a free one.", show_default=False)] = None,
    rows: Annotated[
        Path | None, typer.Option(help="Write the corrections as training rows, and end.", show_default=False)
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="Write pairs of answers for `prefer`, and end.", show_default=False)
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(help="Write the test rows with all answers that people accept, and end.", show_default=False),
    ] = None,
) -> None:
    """Judge answers without knowing whose they are, on a page of this machine. Every click is kept: stop with Ctrl-C,
    and the same command goes on. `domainkit report RUN` then states the result by people's judgement."""
    if not run.is_dir():
        raise ConfigError(
            "is no folder", where=str(run), next_step="name the folder that `domainkit compare --out` wrote"
        )
    if reviews is not None and reviews < 1:
        raise ConfigError(f"{reviews} asks for nothing", where="--reviews", next_step="give a number from 1")
    results = _results(run)
    wanted = {"rows": rows, "pairs": pairs, "references": references}
    if any(path is not None for path in wanted.values()):
        if any(given is not None for given in (variants, reviewer, reviews, rubric, port)):
            what = "--rows, --pairs and --references write what is there, and take no other option"
            raise ConfigError(what, next_step="leave the other options out")
        return _write(run, results, rows, pairs, references)
    refuse_json("the desk runs until Ctrl-C, and has no result to write")
    name = DEFAULT_REVIEWER if reviewer is None else reviewer.strip()
    return _serve(run, results, _names(variants), name, reviews, _text(rubric), DEFAULT_PORT if port is None else port)


def _results(run: Path) -> Results:
    from domainkit.results.schema import Portfolio, load_results

    results = load_results(run)
    if isinstance(results, Portfolio):
        raise ConfigError("holds several comparisons", where=str(run), next_step="name the folder of one of them")
    return results


def _names(variants: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in variants.split(",")) if variants else ()


def _text(rubric: str | None) -> str | None:
    """The rubric: a file's text where one of this name is there."""
    if rubric is None:
        return None
    from domainkit.storage import read_bytes

    path = Path(rubric)
    try:
        given = read_bytes(path, 1 << 20).decode("utf-8-sig") if len(rubric) < 256 and path.is_file() else rubric
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"cannot be read: {e}", where=rubric, next_step="name a text file") from e
    if not given.strip():
        raise ConfigError("the rubric is empty", where="--rubric", next_step="say what makes an answer right")
    return given.strip()


def _serve(
    run: Path,
    results: Results,
    variants: tuple[str, ...],
    reviewer: str,
    reviews: int | None,
    rubric: str | None,
    port: int,
) -> None:
    from domainkit.results.reviews import ReviewLog
    from domainkit.review.app import make_app
    from domainkit.review.desk import Desk, share_of
    from domainkit.serving.run import serve

    if not reviewer:
        raise ConfigError("the name is empty", where="--reviewer", next_step="name who reviews")
    with ReviewLog(run) as log:
        first = next((r.reviewer for r in log.reviews), reviewer)
        plan = _plan(run, results, variants, reviews if first == reviewer else None, rubric)
        desk = Desk(results, plan, log, reviewer, share_of(plan, reviewer, log, reviews))
        if first != reviewer:
            part = f"{reviewer} gets {desk.total} of the {plan.reviews} questions"
            typer.echo(visible(f"{first} reviewed first, so {part}, to see how far the two agree"))
        serve(make_app(desk), desk, host=HOST, port=port, on_ready=lambda bound: _ready(desk, bound))
        _tell(run, desk)


def _plan(
    run: Path, results: Results, variants: tuple[str, ...], reviews: int | None, rubric: str | None
) -> ReviewPlan:
    """The plan, written into the run folder before the first question is shown."""
    from domainkit.results.review_plan import read_plan
    from domainkit.results.reviews import read_reviews
    from domainkit.review.draw import plan_for

    before = read_plan(run)
    plan = plan_for(run, results, variants=variants, reviews=reviews, rubric=rubric)
    for note in changes(before, plan, len(read_reviews(run))):
        typer.echo(visible(note), err=True)
    plan.save(run)
    return plan


def changes(before: ReviewPlan | None, plan: ReviewPlan, lines: int) -> list[str]:
    """What is not as it was when the reviews so far were made."""
    if before is None or not lines:
        return []
    notes = []
    if before.digest != plan.digest:
        notes.append(
            "warning: answers of this run have changed, so a new queue was drawn. Reviews of answers that are the same "
            "count where the new queue has them among its first; the others stay in the file, and do not count"
        )
    if before.rubric != plan.rubric:
        notes.append("warning: the rubric is not the one by which the reviews so far were made")
    return notes


def _ready(desk: Desk, port: int) -> None:
    of_two = "without knowing whose they are: " if len(desk.plan.variants) > 1 else ""
    typer.echo(f"ready: {desk.total} questions for {visible(desk.reviewer)}, {of_two}{desk.done} done")
    same = desk.plan.identical
    if same:
        typer.echo(f"{same} questions with the same answer from both are not shown: they are equal without a look")
    typer.echo(f"next: open http://{HOST}:{port} in a browser; Ctrl-C stops, and every click is kept")


def _tell(run: Path, desk: Desk) -> None:
    typer.echo(visible(f"\n{desk.done} of {desk.total} questions reviewed, in {run / 'reviews.jsonl'}"))
    if desk.done < desk.total:
        hint("the same command goes on where you stopped")
    if desk.done:
        next_command("report", run)


def _write(run: Path, results: Results, rows: Path | None, pairs: Path | None, references: Path | None) -> None:
    """Reviews to rows, and the commands that use them."""
    from domainkit.review.rows import correction_rows, pair_rows, reference_rows, reviewed_items, write_rows

    reviewed = reviewed_items(run, results)
    task = visible(shlex.quote(results.task.source or "TEST.jsonl"))
    uses = (
        (rows, "corrections", correction_rows, "domainkit train --data {} --out ADAPTER"),
        (pairs, "pairs", pair_rows, "domainkit prefer --data {} --out ADAPTER"),
        (
            references,
            "accepted answers",
            lambda r: reference_rows(r, results),
            "domainkit compare --task {} --out RUN2",
        ),
    )
    for path, what, make, use in uses:
        if path is not None:
            found = make(reviewed)
            write_rows(path, found, what)
            typer.echo(visible(f"Wrote {len(found):,} rows ({what}) to {path}"))
            record(**{what.replace(" ", "_"): {"file": path, "rows": len(found)}})
            tell_next(use.format(shlex.quote(str(path))))
    if rows or pairs:
        typer.echo(
            f"These are questions of the test set ({task}): measure what is trained on them with other questions. "
            "The same questions in training and test are reported as leaks."
        )
