"""An object's facts as a small table of HTML, which is how a notebook shows it. Nothing in it is trusted."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from domainkit.visible import visible

LONGEST = 300
"""Characters of a value; the rest is cut."""


def facts_table(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """`rows` are (label, value); one whose value is None or "" is left out."""
    shown = [(label, visible(value)) for label, value in rows if value is not None and value != ""]
    cells = "".join(f"<tr><th{_LEFT}>{escape(label)}</th><td{_LEFT}>{_cut(text)}</td></tr>" for label, text in shown)
    return f"<table><caption{_LEFT}><b>{_cut(visible(title))}</b></caption>{cells}</table>"


_LEFT = ' style="text-align: left"'


def _cut(text: str) -> str:
    return f"<bdi>{escape(text if len(text) <= LONGEST else text[:LONGEST] + '…')}</bdi>"
