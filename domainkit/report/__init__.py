"""The report: results.json to one offline HTML page, to Markdown, and to a table in the terminal."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domainkit.report.html import render
    from domainkit.report.markdown import to_markdown
    from domainkit.report.terminal import print_table
    from domainkit.report.write import write_report

_PUBLIC = {
    "print_table": "domainkit.report.terminal",
    "render": "domainkit.report.html",
    "to_markdown": "domainkit.report.markdown",
    "write_report": "domainkit.report.write",
}

__all__ = ["print_table", "render", "to_markdown", "write_report"]


def __getattr__(name: str) -> object:
    if name in _PUBLIC:
        value = getattr(import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'domainkit.report' has no attribute '{name}'")
