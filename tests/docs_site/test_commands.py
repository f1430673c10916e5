"""The command reference says all that the command line knows."""

from __future__ import annotations

import re

from docs_site.commands import FOLDER, command_pages, escaped
from domainkit.cli import COMMANDS
from domainkit.cli.terminal.words import EXAMPLES


def test_every_command_has_a_page_with_its_options() -> None:
    pages = command_pages()
    assert list(pages) == [f"{FOLDER}index.md", *(f"{FOLDER}{name}.md" for name in COMMANDS)]
    assert all(f"[{name}]({name}.md)" in pages[f"{FOLDER}index.md"] for name in COMMANDS)
    compare = pages[f"{FOLDER}compare.md"]
    assert "| `--corpus PATH` | Documents to retrieve from (" in compare
    assert "| `shots=8` | Solved examples in a few-shot prompt. |" in compare


def test_a_page_has_the_order_of_the_help_examples_first_and_settings_last() -> None:
    pages = command_pages()
    titles = re.findall(r"^## (.*)$", pages[f"{FOLDER}compare.md"], re.M)
    assert titles[:2] == ["Examples", "Common options"]
    assert titles[-1].endswith("(KEY=VALUE)")
    assert "--task rows/test.jsonl \\\n      --corpus manuals/" in pages[f"{FOLDER}compare.md"]
    examples = re.search(r"```sh\n(.*?)```", pages[f"{FOLDER}ask.md"], re.S)
    assert examples
    assert examples[1].count("domainkit ask ") == len(EXAMPLES["ask"]) > 1
    assert "## Start\n\n| command | what it does |\n| --- | --- |\n| [init](init.md) |" in pages[f"{FOLDER}index.md"]


def test_help_texts_are_no_markup() -> None:
    assert escaped("a | b_c `d_e`\n[f] <g>") == "a &#124; b&#95;c `d_e` &#91;f&#93; &#60;g&#62;"
