"""The command reference: a page for each command, which says what `domainkit COMMAND --help` says, in its order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from typer.main import get_command

from domainkit.cli.terminal.words import GROUPS

if TYPE_CHECKING:
    from typer.core import TyperCommand, TyperGroup

FOLDER = "reference/commands/"
_MARKDOWN = {ord(sign): f"&#{ord(sign)};" for sign in "*_[]|<>~\\"}
_COLUMNS = {"Arguments": "argument", "KEY=VALUE": "setting"}
"""What the first column of a section's table holds, by a part of its title; else options."""


def command_pages() -> dict[str, str]:
    """Pages by their place on the site, the overview first."""
    from domainkit.cli import app

    group: TyperGroup = get_command(app())  # type: ignore[assignment]
    program = typer.Context(group, info_name="domainkit")
    commands = {name: command for name, command in group.commands.items() if not command.hidden}
    pages = {f"{FOLDER}index.md": "\n".join(_overview(commands))}
    for name, command in commands.items():
        page = MarkdownHelp()
        command.format_help(typer.Context(command, info_name=name, parent=program), page)  # type: ignore[arg-type]
        pages[f"{FOLDER}{name}.md"] = "\n".join((f"# domainkit {name}", "", *page.lines))
    return pages


def _overview(commands: dict[str, TyperCommand]) -> Iterator[str]:
    yield from ("# Commands", "", "Each page says what `domainkit COMMAND --help` prints.", "")
    grouped = {name for group in GROUPS.values() for name in group}
    others = {name: command.get_short_help_str(60) for name, command in commands.items() if name not in grouped}
    for title, group in {**GROUPS, "More": others}.items():
        rows = [(f"[{name}]({name}.md)", escaped(text)) for name, text in group.items() if name in commands]
        yield from (f"## {title}", "", *_table(("command", "what it does"), rows)) if rows else ()


class MarkdownHelp:
    """Takes what a command writes into click's HelpFormatter, as the lines of a Markdown page."""

    width = 88

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._title = ""

    def write_usage(self, program: str, arguments: str = "", prefix: str | None = None) -> None:
        self._block("text", [f"{program} {arguments}"])

    def write_text(self, text: str) -> None:
        for paragraph in text.replace("\b\n", "\n").strip().split("\n\n"):
            self.lines += [escaped(paragraph), ""]

    def write(self, text: str) -> None:
        """One example: a command, wrapped as a shell reads it."""
        if self.lines[-2:] == ["```", ""]:
            del self.lines[-2:]
            self.lines.append(text.rstrip("\n").removeprefix("  "))
            self.lines += ["```", ""]
        else:
            self._block("sh", [text.rstrip("\n").removeprefix("  ")])

    def write_dl(self, rows: Sequence[tuple[str, str]], **_: int) -> None:
        kind = next((kind for part, kind in _COLUMNS.items() if part in self._title), "option")
        self.lines += _table((kind, "meaning"), [(f"`{name}`", escaped(meaning)) for name, meaning in rows])

    def write_paragraph(self) -> None:
        """Paragraphs end by themselves."""

    @contextmanager
    def section(self, title: str) -> Iterator[None]:
        self._title = title
        self.lines += [f"## {title}", ""]
        yield

    @contextmanager
    def indentation(self) -> Iterator[None]:
        yield

    def _block(self, language: str, lines: list[str]) -> None:
        self.lines += [f"```{language}", *lines, "```", ""]


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield from ("| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |")
    yield from ("| " + " | ".join(row) + " |" for row in rows)
    yield ""


def escaped(text: str) -> str:
    """Plain text as Markdown on one line; what stands in backticks stays code."""
    pieces = re.split(r"(`[^`]+`)", " ".join(text.split()))
    return "".join(piece if i % 2 else piece.translate(_MARKDOWN) for i, piece in enumerate(pieces))
