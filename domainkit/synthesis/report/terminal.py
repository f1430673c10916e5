"""The report in the terminal: plain lines, short enough to read at once."""

from __future__ import annotations

from collections.abc import Iterator

from domainkit.report.wording.text import shorten
from domainkit.synthesis.report import sentences
from domainkit.synthesis.result import MadeRows

_WIDTH = 110
_GAPS = 5


def report_lines(made: MadeRows) -> Iterator[str]:
    """Lines that are safe to print: control characters of documents and models are spelt out."""
    yield sentences.outcome(made)
    yield sentences.accounting(made)
    if why := sentences.why_fewer(made):
        yield why
    if taken := made.taken():
        yield ""
        yield "Dropped, by filter, with an example:"
    for name, kinds in taken.items():
        yield f"{sum(kinds.values()):>6}  {name}: {sentences.meaning_of(name)}"
        dropped = made.example_of(name)
        detail = f" ({dropped.reason.detail})" if dropped.reason.detail else ""
        yield f"        {shorten(f'{dropped.reason.kind}{detail}: {dropped.question or dropped.quote}', _WIDTH)}"
    yield ""
    yield from _coverage(made)
    yield f"Cost: {sentences.cost(made)}"
    if from_disk := sum(use.from_disk for use in made.models):
        yield f"{sentences.counted(from_disk, 'reply', 'replies')} of these were on disk from an earlier run."
    for caution in sentences.cautions(made):
        yield shorten(caution, 400)


def _coverage(made: MadeRows) -> Iterator[str]:
    gaps = [state for state in made.gaps() if not state.section.too_short]
    with_rows = len(made.sections) - len(made.gaps())
    yield f"Coverage: {with_rows} of {sentences.counted(len(made.sections), 'section')} have rows."
    asked = [state for state in gaps if state.attempts]
    for state in asked[:_GAPS]:
        place = f"{state.section.document.id}, {state.section.name}"
        yield f"        none in {shorten(place, 60)}: {shorten(state.why_empty, _WIDTH)}"
    if len(asked) > _GAPS:
        yield f"        … and {len(asked) - _GAPS} more in report.md"
