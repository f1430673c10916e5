"""report.md: what was kept, what each filter took with an example, coverage and gaps, cost."""

from __future__ import annotations

from collections.abc import Iterator

from domainkit.report.wording.markdown_text import bullets, escape, table
from domainkit.report.wording.text import shorten
from domainkit.storage import JsonObject
from domainkit.synthesis.report import sentences
from domainkit.synthesis.result import MadeRows
from domainkit.verdict.numbers import money

_WIDTH = 240
_SHOWN_ROWS, _SHOWN_DOCUMENTS, _SHOWN_GAPS = 5, 100, 200


def report_markdown(made: MadeRows) -> str:
    """The whole report. Nothing in it depends on when, or in how many runs, the rows were made."""
    return "\n\n".join(part for part in _parts(made) if part) + "\n"


def _parts(made: MadeRows) -> Iterator[str]:
    yield "# Synthetic rows"
    yield _text(sentences.outcome(made))
    yield _text(f"{sentences.accounting(made)} {sentences.why_fewer(made)}".strip())
    yield bullets(map(_text, sentences.cautions(made)))
    yield "## What was dropped"
    yield _dropped(made)
    yield "## Kept rows"
    yield "\n\n".join(_row(row) for row in _spread(made.rows))
    yield "## Coverage"
    yield _coverage(made)
    yield _gaps(made)
    yield "## Cost"
    yield _cost(made)
    yield "## Next"
    yield "    " + escape_command(sentences.next_command(made))


def _text(text: str) -> str:
    return escape(shorten(text, 1000))


def escape_command(text: str) -> str:
    """In an indented block no markup is read; a line break would end it."""
    return shorten(text, 4000)


def _dropped(made: MadeRows) -> str:
    taken = made.taken()
    if not taken:
        return "Nothing."
    rows = [
        (
            escape(name),
            str(sum(kinds.values())),
            escape(sentences.meaning_of(name)),
            escape("; ".join(f"{kind} ({count})" for kind, count in kinds.most_common())),
        )
        for name, kinds in taken.items()
    ]
    examples = [f"**{escape(name)}**: {_example(made, name)}" for name in taken]
    heads = ("Filter", "Dropped", "It takes a row where", "Counted by kind")
    return (
        table(heads, [_cells(row) for row in rows], right_from=len(heads))
        + "\n\nOne example each:\n\n"
        + bullets(examples)
    )


def _cells(cells: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(cell or " " for cell in cells)


def _example(made: MadeRows, name: str) -> str:
    dropped = made.example_of(name)
    parts = [dropped.reason.kind + (f" ({dropped.reason.detail})" if dropped.reason.detail else "")]
    if dropped.question:
        parts.append(f"question: {dropped.question}")
        parts.append(f"answer: {dropped.answer}")
    if dropped.quote:
        parts.append(f"{'quote' if dropped.question else 'reply'}: {dropped.quote}")
    return escape("; ".join(shorten(part, _WIDTH) for part in parts))


def _spread(rows: tuple[JsonObject, ...]) -> list[JsonObject]:
    """A few rows from all over the files."""
    step = max(1, len(rows) // _SHOWN_ROWS)
    return list(rows[::step][:_SHOWN_ROWS])


def _row(row: JsonObject) -> str:
    place = [str(row["document"])]
    if "page" in row:
        place.append(f"page {row['page']}")
    place += row.get("headings", ())
    lines = [
        f"question: {escape(shorten(row['input'], _WIDTH))}",
        f"answer: {escape(shorten(row['target'], _WIDTH))}",
        f"quote: {escape(shorten(row['quote'], _WIDTH))}",
        f"from: {escape(shorten(' › '.join(place), _WIDTH))}",
    ]
    return bullets(lines)


def _coverage(made: MadeRows) -> str:
    """A line a document: its side, its sections, those with rows, its rows."""
    documents: dict[str, list[int]] = {}
    side: dict[str, str] = {}
    for state in made.sections:
        name = state.section.document.id
        counts = documents.setdefault(name, [0, 0, 0])
        counts[0] += 1
        counts[1] += bool(state.kept)
        counts[2] += state.kept
        side[name] = state.side
    rows = [(escape(name), side[name], *map(str, counts)) for name, counts in documents.items()]
    with_rows = sum(counts[1] for counts in documents.values())
    text = f"{with_rows} of {sentences.counted(len(made.sections), 'section')} have rows."
    if len(rows) > _SHOWN_DOCUMENTS:
        text += f" The first {_SHOWN_DOCUMENTS} of {len(rows)} documents:"
    heads = ("Document", "Side", "Sections", "With rows", "Rows")
    return f"{text}\n\n{table(heads, rows[:_SHOWN_DOCUMENTS], right_from=2)}"


def _gaps(made: MadeRows) -> str:
    gaps = made.gaps()
    if not gaps:
        return ""
    rows = [
        (
            escape(shorten(state.section.document.id, 80)),
            escape(shorten(state.section.name, 80)),
            escape(shorten(_why(made, state.why_empty), _WIDTH)),
        )
        for state in gaps[:_SHOWN_GAPS]
    ]
    more = f"\n\n… and {len(gaps) - _SHOWN_GAPS} more." if len(gaps) > _SHOWN_GAPS else ""
    heads = ("Document", "Section without a row", "Why")
    return f"### Gaps\n\n{table(heads, rows, right_from=len(heads))}{more}"


def _why(made: MadeRows, reason: str) -> str:
    if reason != "not asked about":
        return reason
    return f"{reason}: {'the budget ended' if made.ended_by else 'there were enough rows before its turn'}"


def _cost(made: MadeRows) -> str:
    rows = [
        (
            use.role,
            escape(use.name),
            f"{use.cost.calls:,}",
            f"{use.cost.input_tokens:,}",
            f"{use.cost.output_tokens:,}",
            "this machine" if use.is_local else f"{money(use.cost.money)} {escape(made.currency)}",
        )
        for use in made.models
    ]
    heads = ("Role", "Model", "Calls", "Tokens read", "Tokens written", "Cost")
    return f"{_text(sentences.cost(made))}\n\n{table(heads, rows, right_from=2)}"
