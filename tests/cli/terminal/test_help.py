"""Help is read in 80 columns without colour: an example first, options in groups, settings last."""

from __future__ import annotations

import re

import pytest

from domainkit.cli import COMMANDS
from tests.cli.command import domainkit


def headings(text: str) -> list[str]:
    return re.findall(r"^(\S.*):$", text, re.M)


def test_commands_stand_in_the_order_of_work() -> None:
    done = domainkit("--help")
    assert headings(done.stdout) == ["Start", "Data", "Train", "Compare", "Use", "Look after", "Options"]
    assert "\n  compare  prompting, retrieval and fine-tuning on your questions\n" in done.stdout
    assert not [line for line in done.stdout.splitlines() if len(line) > 80]
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)


def test_common_options_come_first_and_settings_last() -> None:
    text = domainkit("compare", "--help").stdout
    found = headings(text)
    assert found[:3] == ["Examples", "Common options", "What is compared"]
    assert found[-2:] == ["Output", "A run file, and settings that override it (KEY=VALUE)"]
    assert text.index("  --task PATH ") < text.index("  --retriever TEXT ") < text.index("\n  shots=8 ")
    assert "\n  race" not in text[text.index("Output:") :]  # an option is not told twice
    assert " compare [OPTIONS] [RUN.toml] [KEY=VALUE]...\n" in text


@pytest.mark.parametrize("name", ["train", "prefer", "distil"])
def test_settings_have_their_defaults(name: str) -> None:
    assert re.search(r"\n  \w+=\S+ {2,}[A-Z]", domainkit(name, "--help").stdout)
