"""A question that cannot be understood by itself is dropped; one with a pronoun that stands for something is not."""

from __future__ import annotations

import pytest

from tests.synthesis.scripted import candidate, kind

GERMAN = "Ein Schließfach kostet vier Euro in der Woche und wird am Schalter bezahlt, wenn man es nicht mehr braucht."


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ("What does it cost?", "a pronoun stands for nothing"),
        ("How much is this per week?", "a pronoun stands for nothing"),
        ("When was he born?", "a pronoun stands for nothing"),
        ("Where do they live in winter?", "a pronoun stands for nothing"),
        ("What is their opening time?", "a pronoun stands for nothing"),
        ("Was kostet das für ihn?", "a pronoun stands for nothing"),
        ("And what about the lockers?", "goes on from another question"),
        ("But who keeps the key of the locker?", "goes on from another question"),
        ("Why?", "too short"),
        ("The cost?", "too short"),
        ("How much does the thing cost?", "names nothing"),
        ("What is a locker? What does a locker cost?", "more than one question"),
        ("A locker costs four pounds.", "no question"),
        ("いくら？", "too short"),
    ],
)
def test_what_cannot_stand_alone_is_dropped(question: str, why: str) -> None:
    text = GERMAN if question.startswith("Was") else "A locker costs £4 a week, and the key is at the desk for you."
    assert kind("alone", candidate(question, text=text, quote=text)) == [why]


@pytest.mark.parametrize(
    "question",
    [
        "How long does it take to cancel the Clover plan?",
        "Is it safe to keep a hive near a school?",
        "What should a keeper do when he finds no queen?",
        "Is there a fee for the locker?",
        "Who was the swimmer that lost her key?",
        "Which son inherits the shop?",
        "what does a locker cost",
        "Was kostet ein Schließfach in der Woche?",
        "Wie lange dauert es, bis der Schlüssel da ist?",
        "Quel est le prix d'un casier ?",
        "ロッカーは一週間いくらですか？",
        "Сколько стоит шкафчик?",
    ],
)
def test_what_stands_alone_passes(question: str) -> None:
    assert kind("alone", candidate(question)) == [""]
