"""A schema in words, for a prompt: a line for each field."""

from __future__ import annotations

from domainkit.evaluation.fields.form import Form
from domainkit.evaluation.fields.objects import written

_WORDS = {"text": "text", "number": "number", "boolean": "true or false", "list": "list", "object": "object"}


def described(form: Form) -> str:
    """`- seller.name (text): who sells it`, a line for each field."""
    return "\n".join(_line(path, inner) for path, inner in form.paths())


def _line(path: str, form: Form) -> str:
    what = f"one of {', '.join(map(written, form.options))}" if form.options else _of(form)
    return f"- {path}{f' ({what})' if what else ''}{f': {form.description}' if form.description else ''}"


def _of(form: Form) -> str:
    if form.type == "list" and form.items is not None:
        items = form.items
        if items.options:
            return f"list of {', '.join(map(written, items.options))}"
        plural = {"text": "list of texts", "number": "list of numbers", "object": "list of objects"}
        return plural.get(items.type, "list")
    return _WORDS.get(form.type, "")
