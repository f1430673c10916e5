"""The same question twice, the same fact twice, and people's own questions are dropped; other numbers are others."""

from __future__ import annotations

from domainkit.synthesis.filters import Context
from tests.synthesis.scripted import candidate, kind

FIRST = candidate("What does a locker in the swimming hall cost?")


def test_of_two_alike_the_first_stays() -> None:
    again = candidate("what does a locker in the swimming hall cost")
    near = candidate("What does a locker in the swimming halls cost?", "a week")
    same_fact = candidate("How much is charged for keeping clothes locked away?")
    other = candidate("How long may a locker be rented?", "a week")
    assert kind("duplicate", FIRST, again, near, same_fact, other) == [
        "",
        "nearly the same",
        "nearly the same",
        "the same fact",
        "",
    ]


def test_kept_rows_and_peoples_rows_count() -> None:
    other = candidate("How long may a locker be rented?", "a week")
    assert kind("duplicate", FIRST, other, context=Context(kept=(FIRST,))) == ["nearly the same", ""]
    own = Context(against=["How long may a locker be rented for?"])
    assert kind("duplicate", FIRST, other, context=own) == ["", "asked in --against"]


def test_another_number_is_another_question() -> None:
    one = candidate("What does error T-3 of the locker mean?", "a week")
    two = candidate("What does error T-4 of the locker mean?", "£4")
    assert kind("duplicate", one, two) == ["", ""]
