"""The command reference: a page for each command, made from what `domainkit COMMAND --help` is made from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer
from typer.main import get_command

if TYPE_CHECKING:
    from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

FOLDER = "reference/commands/"
_SETTING = re.compile(r"(?P<name>[\w.]+) \((?P<default>.*?)\): (?P<meaning>.+)", re.S)
_MARKDOWN = {ord(sign): f"&#{ord(sign)};" for sign in "*_[]|<>~\\"}


def command_pages() -> dict[str, str]:
    """Pages by their place on the site, the overview first."""
    from domainkit.cli import app

    group: TyperGroup = get_command(app())  # type: ignore[assignment]
    program = typer.Context(group, info_name="domainkit")
    commands = {name: command for name, command in group.commands.items() if not command.hidden}
    pages = {f"{FOLDER}index.md": "\n".join(_overview(commands))}
    for name, command in commands.items():
        context = typer.Context(command, info_name=name, parent=program)
        pages[f"{FOLDER}{name}.md"] = "\n".join(_page(name, command, context))
    return pages


def _overview(commands: dict[str, TyperCommand]) -> Iterator[str]:
    yield from (
        "# Commands",
        "",
        "What `domainkit --help` lists. Each page is what `domainkit COMMAND --help` prints.",
        "",
    )
    panels = list(dict.fromkeys(command.rich_help_panel or "" for command in commands.values()))
    for panel in panels:
        rows = {n: c for n, c in commands.items() if (c.rich_help_panel or "") == panel}
        yield from ((f"## {panel}", "") if isinstance(panel, str) and panel else ())
        yield from _table(("command", "what it does"), [(f"[{n}]({n}.md)", _short(c)) for n, c in rows.items()])


def _short(command: TyperCommand) -> str:
    return escaped((command.help or "").split("\n\n")[0])


def _page(name: str, command: TyperCommand, context: typer.Context) -> Iterator[str]:
    yield from (f"# domainkit {name}", "", *_prose(command.help or ""), "")
    yield from ("```text", command.get_usage(context).removeprefix("Usage: "), "```", "")
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    for argument in arguments:
        yield from _argument(argument, context)
    for panel in dict.fromkeys(_panel(option) for option in options):
        rows = [r for option in options if _panel(option) == panel and (r := option.get_help_record(context))]
        yield from (f"## {panel}", "")
        yield from _table(("option", "meaning"), [(f"`{option}`", escaped(meaning)) for option, meaning in rows])
    if command.epilog:
        yield from ("", *_prose(command.epilog))


def _panel(option: TyperOption | TyperArgument) -> str:
    return option.rich_help_panel if isinstance(option.rich_help_panel, str) else "Options"


def _argument(argument: TyperArgument, context: typer.Context) -> Iterator[str]:
    """An argument; where it takes settings, the table of them."""
    form, meaning = argument.get_help_record(context) or (argument.name, "")
    paragraphs = meaning.split("\n\n")
    settings = [match for text in paragraphs if (match := _SETTING.fullmatch(text))]
    rest = [text for text in paragraphs if not _SETTING.fullmatch(text)]
    yield from (f"## `{form}`", "", *(f"{escaped(text)}\n" for text in rest), "")
    if settings:
        rows = [(f"`{s['name']}`", escaped(s["default"]), escaped(s["meaning"])) for s in settings]
        yield from _table(("setting", "default", "meaning"), rows)


def _prose(text: str) -> Iterator[str]:
    """Paragraphs; lines that are indented, or commands, stay as they are."""
    for paragraph in text.replace("\b\n", "\n").strip().split("\n\n"):
        lines = paragraph.splitlines()
        if lines and all(re.match(r"\s{2,}|\$ |domainkit ", line) for line in lines):
            yield from ("```sh", *(line.strip() for line in lines), "```", "")
        else:
            yield from (escaped(paragraph), "")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield from ("| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |")
    yield from ("| " + " | ".join(row) + " |" for row in rows)
    yield ""


def escaped(text: str) -> str:
    """Plain text as Markdown on one line; what stands in backticks stays code."""
    pieces = re.split(r"(`[^`]+`)", " ".join(text.split()))
    return "".join(piece if i % 2 else piece.translate(_MARKDOWN) for i, piece in enumerate(pieces))
