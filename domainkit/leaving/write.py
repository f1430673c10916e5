"""The certificate as an HTML page that prints on one sheet, and as Markdown."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from domainkit.leaving.certificate import Certificate, certificate_of
from domainkit.report.html import page_environment, read_template, style_sheet
from domainkit.report.wording.markdown_text import bullets, escape, table
from domainkit.results.schema import Results
from domainkit.storage import sha256_file, write_text

PAGE = "certificate.html"
TEXT = "certificate.md"


def write_certificate(run: Path | str) -> tuple[Path, Path]:
    """Write certificate.html and certificate.md beside results.json, and return their paths.

    `run` is the run folder of `leave`, or its results.json. Raises DataError where that is not a results file,
    ConfigError where it is another command's.
    """
    run = Path(run)
    folder = run if run.is_dir() else run.parent
    file = folder / "results.json" if run.is_dir() else run
    made = certificate_of(Results.load(run), str(folder), sha256_file(file))
    write_text(folder / PAGE, certificate_page(made))
    write_text(folder / TEXT, certificate_markdown(made))
    return folder / PAGE, folder / TEXT


def certificate_page(made: Certificate) -> str:
    """The page as HTML text."""
    style = style_sheet() + read_template("certificate.css")
    return page_environment().get_template("certificate.html").render(c=made, style=Markup(style))


def certificate_markdown(made: Certificate) -> str:
    """The same as Markdown."""
    heads = ("", "", escape(f"{made.metric}, %"), f"1,000 answers, {escape(made.currency)}", "One answer")
    sides = [
        (s.role, escape(s.name), escape(f"{s.score} ({s.interval})"), escape(s.price), escape(s.time))
        for s in made.sides
    ]
    tried = [(escape(t.name), t.role, escape(t.score), escape(t.difference)) for t in made.tried]
    blocks = [
        f"# {escape(made.answer)}: {escape(made.decision.results.task.name)}",
        f"**{escape(made.headline)}**",
        bullets(f"{what}: {escape(figure)} ({escape(note)})" for what, figure, note in made.figures),
        table(heads, sides, right_from=2),
        "\n".join(escape(line) for line in made.costs),
    ]
    if made.lacking:
        blocks += ["## What is lacking", bullets(map(escape, made.lacking))]
    if made.cautions:
        blocks += ["## What limits this", bullets(map(escape, made.cautions))]
    blocks += [
        "## What was tried",
        table(("Variant", "", escape(f"{made.metric}, %"), "Difference, points"), tried, right_from=2),
        *([escape(made.also)] if made.also else []),
        "## On what it rests",
        bullets(f"{label}: {escape(value)}" for label, value in made.facts),
        "## How to verify",
        bullets(escape(command) for command in made.verify),
    ]
    return "\n\n".join(blocks) + "\n"
