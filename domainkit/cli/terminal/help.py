"""Help that is read in a terminal of 80 columns, without colour: examples first, options in groups.

Contexts and formatters are click's, which newer versions of Typer have inside themselves: they are Any.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

from domainkit.cli.terminal.words import EXAMPLES, FIRST_SETTINGS, GROUPS, PANELS

OUTPUT = ("--quiet", "--json", "--help")
"""Options of every command."""
_SETTING = re.compile(r"(\w+) \((.*?)\): (.*)", re.DOTALL)


class Group(TyperGroup):
    """The list of commands, by what they are for."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        _section(formatter, "Options", [_record(p, ctx) for p in self.get_params(ctx)])

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        known = {name for commands in GROUPS.values() for name in commands}
        others = {n: c.get_short_help_str(60) for n, c in self.commands.items() if n not in known}
        for title, commands in {**GROUPS, "More": others}.items():
            lines = [(name, text) for name, text in commands.items() if name in self.commands]
            if lines:
                with formatter.section(title):
                    formatter.write_dl(lines, col_max=12)
        formatter.write_paragraph()
        formatter.write_text("domainkit COMMAND --help shows a command's options, with an example of it.")


class Command(TyperCommand):
    """One command: what it does, examples, options in groups, settings last."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        titles = {o: title for title, of in PANELS.get(self.name or "", {}).items() for o in of}
        titles |= dict.fromkeys(OUTPUT, "Output")
        others = "More options" if self.name in PANELS else "Options"
        params: list[Any] = self.params  # Typer's own classes, which have a panel
        for param in params:
            if param.param_type_name == "option":
                param.rich_help_panel = titles.get(param.opts[0], others)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Examples"):
            for line in EXAMPLES.get(self.name or "", ()):
                formatter.write(_example(line, formatter.width))
        arguments = [p for p in self.params if p.param_type_name == "argument"]
        settings = [p for p in arguments if "\n\n" in (getattr(p, "help", None) or "")]
        _section(formatter, "Arguments", [_record(p, ctx) for p in arguments if p not in settings])
        for title, params in self._groups(ctx).items():
            _section(formatter, title, [_record(p, ctx) for p in params])
        for param in settings:
            heading, *paragraphs = str(getattr(param, "help", "")).split("\n\n")
            own = {name for p in self.params for name in (p.name, p.opts[0].lstrip("-").replace("-", "_"))}
            _section(formatter, f"{heading.rstrip(':')} (KEY=VALUE)", _settings(paragraphs, own))
            formatter.write_paragraph()
            formatter.write_text("The options above may stand in RUN.toml too, under their names.")

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [
            p.removeprefix("[").removesuffix("]...") if p.startswith("[[") else p
            for p in super().collect_usage_pieces(ctx)
        ]

    def _groups(self, ctx: Any) -> dict[str, list[Any]]:
        """Options by their group, in the order of PANELS; output last."""
        own = PANELS.get(self.name or "", {})
        groups: dict[str, list[Any]] = {title: [] for title in (*own, "More options", "Options", "Output")}
        for param in self.get_params(ctx):
            if param.param_type_name == "option":
                title = "Output" if param.opts[0] in OUTPUT else getattr(param, "rich_help_panel", None)
                groups.setdefault(str(title), []).append(param)
        for title, order in own.items():
            groups[title].sort(key=lambda p: order.index(p.opts[0]))
        return groups


def _example(line: str, width: int) -> str:
    """A command, wrapped as a shell reads it; an option and its value stay on one line."""
    joined = re.sub(r"(--[\w-]+) (?!-)", "\\1\0", line)
    wrapped = textwrap.wrap(joined, width - 8, break_long_words=False, break_on_hyphens=False)
    return "  " + " \\\n      ".join(wrapped).replace("\0", " ") + "\n"


def _section(formatter: Any, title: str, lines: Sequence[tuple[str, str]]) -> None:
    if lines:
        with formatter.section(title):
            formatter.write_dl(lines, col_max=24)


def _record(param: Any, ctx: Any) -> tuple[str, str]:
    """(name with what it takes, meaning)."""
    name, text = param.get_help_record(ctx)
    name = re.sub(r"<(.*)>", lambda m: _value_name(m[1]), name)
    return (name.split(" <")[0] if param.param_type_name == "argument" else name), text


def _value_name(kind: str) -> str:
    """What a shell's user writes for a type: PATH, N, TEXT."""
    plain = kind.removeprefix("list[").rstrip("]").lower()
    return {"str": "TEXT", "text": "TEXT", "int": "N", "integer": "N", "float": "X", "path": "PATH"}.get(plain, kind)


def _settings(paragraphs: Sequence[str], options: Collection[str]) -> list[tuple[str, str]]:
    """(name=default, meaning) of each setting that is no option as well, the common ones first."""
    found = [m.groups() for p in paragraphs if (m := _SETTING.fullmatch(p.strip())) and m[1] not in options]
    order = {name: i for i, name in enumerate(FIRST_SETTINGS)}
    found.sort(key=lambda s: order.get(s[0], len(order)))
    return [(name if default == "left out" else f"{name}={default}", meaning) for name, default, meaning in found]
