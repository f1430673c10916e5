"""The command reference says all that the command line knows."""

from __future__ import annotations

from docs_site.commands import FOLDER, command_pages, escaped
from domainkit.cli import COMMANDS


def test_every_command_has_a_page_with_its_options() -> None:
    pages = command_pages()
    assert list(pages) == [f"{FOLDER}index.md", *(f"{FOLDER}{name}.md" for name in COMMANDS)]
    assert all(f"[{name}]({name}.md)" in pages[f"{FOLDER}index.md"] for name in COMMANDS)
    compare = pages[f"{FOLDER}compare.md"]
    assert "| `--corpus <path>` | Documents to retrieve from (" in compare
    assert "| `shots` | 8 | Solved examples in a few-shot prompt. |" in compare


def test_help_texts_are_no_markup() -> None:
    assert escaped("a | b_c `d_e`\n[f] <g>") == "a &#124; b&#95;c `d_e` &#91;f&#93; &#60;g&#62;"
