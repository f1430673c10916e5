"""Rows whose answer a model gave, not a person: the field "distilled" names the teacher."""

from __future__ import annotations

from domainkit.messages import JsonObject

FIELD = "distilled"
"""{"teacher": name, "agreement": share of its samples, …}. Nothing learns it; the card counts the rows by teacher."""


def teacher_of(row: JsonObject) -> str:
    """The model that answered; "" where the row does not say."""
    facts = row.get(FIELD)
    name = facts.get("teacher") if isinstance(facts, dict) else None
    return name if isinstance(name, str) else ""
