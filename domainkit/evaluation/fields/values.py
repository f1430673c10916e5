"""When two single values are the same: numbers as numbers, dates as dates, text without case and spacing. Never nearly
the same."""

from __future__ import annotations

from functools import lru_cache

from domainkit.evaluation.fields.dates import read_date
from domainkit.evaluation.fields.form import ANY, Form
from domainkit.evaluation.fields.numbers import Amount, read_amount, same_amount
from domainkit.text.words import canonical

_folded = lru_cache(maxsize=50_000)(canonical)  # the entries of two lists are compared all with all

Value = str | float | bool | None
"""A JSON value that holds no others."""
_TRUTH = {"true": True, "false": False}


def is_nothing(value: object, form: Form = ANY) -> bool:
    """Whether a value stands for none: null, "" and what holds nothing else; null not where the form says so."""
    if value is None:
        return not form.null_counts
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, list | dict) and not value


def same_value(gold: Value, answer: Value, form: Form = ANY) -> bool:
    """Whether the answer's value is the target's. "12" is 12 in a field of numbers, or beside a number; a text of
    digits is otherwise a text: 007 is not 7."""
    if gold is None or answer is None:
        return gold is answer
    if isinstance(gold, bool) or isinstance(answer, bool):
        return _truth(gold) is not None and _truth(gold) == _truth(answer)
    if form.type == "number" or isinstance(gold, int | float) or isinstance(answer, int | float):
        a, b = _amount(gold), _amount(answer)
        if a is not None and b is not None:
            return same_amount(a, b, form.tolerance)
        return str(gold).strip() == str(answer).strip()
    return _same_text(gold, answer, form)


def _same_text(gold: str, answer: str, form: Form) -> bool:
    if _folded(gold) == _folded(answer):
        return True
    day = read_date(gold, form.order)
    if day is not None:
        return day == read_date(answer, form.order)
    a, b = read_amount(gold), read_amount(answer)
    # Two texts are numbers only where both say of what: 1.10 and 1.1 may be versions.
    return bool(a and b and a.unit and a.unit == b.unit and same_amount(a, b, form.tolerance))


def _truth(value: Value) -> bool | None:
    if isinstance(value, bool):
        return value
    return _TRUTH.get(value.strip().casefold()) if isinstance(value, str) else None


def _amount(value: Value) -> Amount | None:
    return read_amount(value) if isinstance(value, str) else Amount(float(value or 0))
