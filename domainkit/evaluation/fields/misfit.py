"""What of an object its schema has no place for."""

from __future__ import annotations

from collections.abc import Iterator

from domainkit.evaluation.fields.form import ANY, Form
from domainkit.evaluation.fields.objects import written


def misfit(value: object, form: Form) -> str:
    """The first field that the schema does not have, or that holds a value it does not list; "" where there is none.
    Types are not looked at: 5 and "5" are compared as the same."""
    return next(_misfits(value, form, ""), "")


def _misfits(value: object, form: Form, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            place = f"{path}.{name}" if path else name
            if form.fields and name not in form.fields:
                yield f"it has no field '{place}'"
            yield from _misfits(inner, form.of(name), place)
    elif isinstance(value, list):
        for entry in value:
            yield from _misfits(entry, form.items or ANY, f"{path}[]")
    elif form.options and value is not None and value not in form.options:
        yield f"{written(value)} is not among the values of '{path}'"
