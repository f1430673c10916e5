"""What an answer's object has of a target's, field by field: the counts behind precision, recall and F1.

    target      answer            status      counts in
    value       the same value    match       precision and recall
    value       another value     mismatch    both, wrong in both
    value       nothing           omission    recall only
    nothing     value             invention   precision only
    nothing     nothing           empty       neither

Nothing is null, "" or no field at all, since a grammar prints every field. A list is matched with the list: by position
where its order counts, by a key field, or so that most leaves agree (Kuhn 1955, the Hungarian method); two entries of
which less than half agrees are not the same entry. Leaves of an entry without a partner are omissions or inventions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from domainkit.evaluation.fields.form import ANY, Form
from domainkit.evaluation.fields.values import is_nothing, same_value

Status = Literal["match", "mismatch", "omission", "invention", "empty"]
HALF = 0.5
"""Entries of two lists are partners when at least this share of their leaves agrees."""
MOST_PAIRS = 10_000
"""Pairs of entries that are weighed; longer lists are matched by position."""
MOST_NESTED = 3
"""Lists within lists that are weighed: each takes the work of the outer one once more. Deeper ones go by position."""


class Leaf(NamedTuple):
    """A single value of the target or the answer, or a field that both leave out."""

    path: str
    """"seller.name", "lines[2].price"."""
    field: str
    """The same without positions: "lines[].price"."""
    status: Status
    gold: object
    answer: object


class Counts(NamedTuple):
    """Of the leaves of one document or of many."""

    match: int
    gold: int
    """Leaves of the target that hold a value."""
    answered: int
    """Leaves of the answer that hold a value."""

    @property
    def f1(self) -> float:
        """2·match / (gold + answered): the mean of precision and recall that is 0 where one of them is. 1 where there
        was nothing to say and nothing was said."""
        return 2 * self.match / (self.gold + self.answered) if self.gold + self.answered else 1.0


def compare_fields(gold: object, answer: object, form: Form = ANY) -> list[Leaf]:
    """Every leaf of two JSON values: the schema's fields first, then the target's, then what only the answer has."""
    if isinstance(gold, dict) and isinstance(answer, dict):
        return list(_objects(gold, answer, form, "", ""))
    return list(_compare(gold, answer, form, "", ""))


def counts_of(leaves: Sequence[Leaf]) -> Counts:
    by_status = Counter(leaf.status for leaf in leaves)
    both = by_status["match"] + by_status["mismatch"]
    return Counts(by_status["match"], both + by_status["omission"], both + by_status["invention"])


# Any: a JSON value.
def _compare(gold: Any, answer: Any, form: Form, path: str, field: str) -> Iterator[Leaf]:
    if is_nothing(gold, form) and is_nothing(answer, form):
        yield Leaf(path, field, "empty", None, None)
    elif isinstance(gold, dict) and (isinstance(answer, dict) or is_nothing(answer, form)):
        yield from _objects(gold, answer or {}, form, path, field)
    elif isinstance(answer, dict) and is_nothing(gold, form):
        yield from _objects({}, answer, form, path, field)
    elif isinstance(gold, list) and (isinstance(answer, list) or is_nothing(answer, form)):
        yield from _lists(gold, answer or [], form, path, field)
    elif isinstance(answer, list) and is_nothing(gold, form):
        yield from _lists([], answer, form, path, field)
    elif isinstance(gold, dict | list) or isinstance(answer, dict | list):
        # An object in place of a text, or the other way round: nothing of it is right.
        yield from _compare(gold, "", form, path, field)
        yield from _compare("", answer, form, path, field)
    else:
        yield _leaf(gold, answer, form, path, field)


def _leaf(gold: Any, answer: Any, form: Form, path: str, field: str) -> Leaf:
    if is_nothing(answer, form):
        return Leaf(path, field, "omission", gold, None)
    if is_nothing(gold, form):
        return Leaf(path, field, "invention", None, answer)
    return Leaf(path, field, "match" if same_value(gold, answer, form) else "mismatch", gold, answer)


def _objects(gold: dict[str, Any], answer: dict[str, Any], form: Form, path: str, field: str) -> Iterator[Leaf]:
    missing = object()
    for name in dict.fromkeys((*form.fields, *gold, *answer)):
        inner = form.of(name)
        left, right = gold.get(name, missing), answer.get(name, missing)
        # Where null is an answer, a field that is absent is still none: "" says so.
        left, right = ("" if value is missing else value for value in (left, right))
        dot = "." if path else ""
        yield from _compare(left, right, inner, f"{path}{dot}{name}", f"{field}{dot}{name}")


def _lists(gold: list[Any], answer: list[Any], form: Form, path: str, field: str) -> Iterator[Leaf]:
    items = form.items or ANY
    partner = dict(_partners(gold, answer, form, field))
    taken = set(partner.values())
    for i, entry in enumerate(gold):
        other = answer[partner[i]] if i in partner else ""
        yield from _compare(entry, other, items, f"{path}[{i}]", f"{field}[]")
    for j, entry in enumerate(answer):
        if j not in taken:
            yield from _compare("", entry, items, f"{path}[+{j}]", f"{field}[]")


def _partners(gold: list[Any], answer: list[Any], form: Form, field: str) -> list[tuple[int, int]]:
    """(position in the target, position in the answer) of the entries that are compared with each other."""
    if form.ordered or len(gold) * len(answer) > MOST_PAIRS or field.count("[]") >= MOST_NESTED:
        return [(i, i) for i in range(min(len(gold), len(answer)))]
    if form.key is not None:
        return _by_key(gold, answer, form.key, (form.items or ANY).of(form.key))
    return _best(gold, answer, form.items or ANY, f"{field}[]")


def _by_key(gold: list[Any], answer: list[Any], key: str, form: Form) -> list[tuple[int, int]]:
    def value(entry: object) -> Any:
        found = entry.get(key) if isinstance(entry, dict) else None
        return None if isinstance(found, dict | list) or is_nothing(found) else found

    free = list(range(len(answer)))
    pairs = []
    for i, entry in enumerate(gold):
        name = value(entry)
        found = next((j for j in free if name is not None and same_value(name, value(answer[j]), form)), None)
        if found is not None:
            free.remove(found)
            pairs.append((i, found))
    return pairs


def _best(gold: list[Any], answer: list[Any], form: Form, field: str) -> list[tuple[int, int]]:
    """The pairs with the most leaves in common; of equally good ones those that stand nearest to each other."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    if not gold or not answer:
        return []
    alike = np.array([[_alikeness(g, a, form, field) for a in answer] for g in gold])
    apart = np.abs(np.arange(len(gold))[:, None] - np.arange(len(answer))[None, :])
    # Positions decide between equals only: all together they weigh less than the smallest difference of a leaf.
    rows, columns = linear_sum_assignment(alike * (alike >= HALF) - 1e-6 * apart / (1 + apart.sum()), maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if alike[i, j] >= HALF]


def _alikeness(gold: Any, answer: Any, form: Form, field: str) -> float:
    """The share of the leaves that agree, of those that either holds."""
    statuses = [leaf.status for leaf in _compare(gold, answer, form, "", field)]
    held = sum(status != "empty" for status in statuses)
    return statuses.count("match") / held if held else 1.0
