"""Each command has a group and an example, and every option that is named is one."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import typer

from domainkit.cli import COMMANDS, app
from domainkit.cli.terminal.words import EXAMPLES, GROUPS, PANELS

GROUP: Any = typer.main.get_command(app())


def options(name: str) -> set[str]:
    return {o for p in GROUP.commands[name].params if p.param_type_name == "option" for o in p.opts}


def test_each_command_is_in_one_group() -> None:
    assert sorted(name for commands in GROUPS.values() for name in commands) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_of_the_command_and_its_options(name: str) -> None:
    for line in EXAMPLES[name]:
        program, command, *words = shlex.split(line)
        assert (program, command) == ("domainkit", name)
        assert {w for w in words if w.startswith("--")} <= options(name)
        assert not [n for n in PANELS.get(name, {}) if not PANELS[name][n]]


@pytest.mark.parametrize("name", PANELS)
def test_options_in_groups_are_options_and_stand_once(name: str) -> None:
    named = [option for group in PANELS[name].values() for option in group]
    assert len(named) == len(set(named))
    assert set(named) <= options(name)
