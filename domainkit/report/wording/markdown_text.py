"""Markdown that untrusted text cannot leave: escapes, tables and lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from domainkit.report.wording.text import one_line, shorten
from domainkit.results.schema import Estimate
from domainkit.verdict import numbers

EXAMPLES = 3
"""Of each kind that the Markdown shows: flipped questions, leaks, lost general questions."""

_SPECIAL = re.compile(r"[\\`*_\[\]|~#!$>]|(?<=:)/|(?<=www)\.", re.IGNORECASE)
_LIST_START = re.compile(r"^([-+=:]|\d+(?=[.)]))")


def escape(text: object) -> str:
    """Untrusted text as literal Markdown on one line (CommonMark and GitHub: no markup, HTML, autolink or mention)."""
    line = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    line = _SPECIAL.sub(lambda m: "\\" + m[0], line)
    # A number with a dot begins a list, as do a dash and a plus: escape the sign that makes it one.
    line = _LIST_START.sub(lambda m: m[0] + "\\" if m[0].isdigit() else "\\" + m[0], line)
    return line.replace("@", "@<!-- -->")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, right_from: int = 1) -> str:
    """A table of cells that are already Markdown; columns from `right_from` on are set flush right."""
    rule = ["---" if k < right_from else "---:" for k in range(len(heads))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows))


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def estimate_text(estimate: Estimate) -> str:
    """83.1 (79.1 to 86.5)."""
    spread = numbers.interval(estimate)
    return numbers.percent(estimate.value) + (f" ({spread})" if spread else "")


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    return bullets(f"{escape(label)}: {escape(shorten(value, 400))}" for label, value in rows)
