"""A task's fields: the form of its objects, and an answer beside the reference that it is nearest to."""

from __future__ import annotations

from domainkit.evaluation.fields.compare import Leaf, compare_fields, counts_of
from domainkit.evaluation.fields.form import ANY, Form, form_of
from domainkit.evaluation.fields.objects import find_object
from domainkit.evaluation.task import Sample, Task


def form_of_task(task: Task) -> Form:
    """Of a task without a schema, any."""
    return form_of(task.json_schema) if task.json_schema else ANY


def nearest(sample: Sample, answer: str, form: Form) -> list[Leaf]:
    """The leaves of the answer and of the reference with which it has the highest F1. An answer without an object has
    none of them."""
    given = find_object(answer).fields or {}
    found = [compare_fields(find_object(reference).fields or {}, given, form) for reference in sample.references]
    return max(found, key=lambda leaves: counts_of(leaves).f1)
