"""A value that is the one date, number, address or code in its text: a rule that few rows are enough for."""

from __future__ import annotations

from collections.abc import Sequence

from domainkit.evaluation.fields.numbers import read_amount
from domainkit.evaluation.fields.rival.candidates import LONGEST, Span, Tokens, kind
from domainkit.evaluation.fields.values import Value, same_value

GROUPS = {"date": "date", "amount": "number", "number": "number", "email": "address", "code": "code"}
"""Kinds of spans, and what they are called."""


def groups_of(tokens: Sequence[Tokens], values: Sequence[Sequence[Value]]) -> list[str]:
    """The groups that might hold the field: some span of the group is the row's value in half of the rows that have
    one."""
    held = [(t, row[0]) for t, row in zip(tokens, values, strict=True) if row]
    found = []
    for group in dict.fromkeys(GROUPS.values()):
        hits = sum(any(same_value(value, s.text) for s in spans_of(t, group)) for t, value in held)
        if len(held) >= 2 and 2 * hits >= len(held):
            found.append(group)
    return found


def only_value(tokens: Tokens, group: str, *, number: bool) -> Value:
    """The first span of the group, as a number where the field holds numbers; None where there is none."""
    span = next(iter(spans_of(tokens, group)), None)
    if span is None or not number:
        return span.text if span else None
    amount = read_amount(span.text)
    if amount is None:
        return None
    return int(amount.value) if amount.value == int(amount.value) else amount.value


def spans_of(tokens: Tokens, group: str) -> list[Span]:
    """The spans of the group in the order of the text: none inside a span of another group, and each without the words
    around it that change nothing ("before 3 May" is 3 May)."""
    found = [(s, GROUPS[kind(s.text)]) for s in tokens.spans(LONGEST) if kind(s.text) in GROUPS]
    whole = [s for s, g in found if g == group and not any(_inside(s, other) for other, _ in found)]
    own = [s for s, g in found if g == group]
    parts = [[s for s in own if (s == w or _inside(s, w)) and _says_as_much(s, w)] for w in whole]
    return sorted(min(part, key=lambda s: (s.end - s.first, len(s.text))) for part in parts)


def _says_as_much(span: Span, whole: Span) -> bool:
    return same_value(span.text, whole.text) or span.text == whole.text.rstrip(".,;:!?")


def _inside(span: Span, other: Span) -> bool:
    return other != span and other.first <= span.first and span.end <= other.end
