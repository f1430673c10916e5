"""Question and answer are in the language of their document; names and numbers have none."""

from __future__ import annotations

from tests.synthesis.scripted import candidate, kind

GERMAN = "Die Kündigungsfrist beträgt 40 Tage und beginnt mit dem Tag, an dem das Formular eingeht."


def test_another_language_is_taken_and_names_are_not() -> None:
    asked = ["How long is the notice period, and when does it start?", "Wie lang ist die Frist, und wann beginnt sie?"]
    rows = [candidate(question, "40 Tage", GERMAN) for question in asked]
    assert kind("language", *rows) == ["another language", ""]
    assert kind("language", candidate("Kündigungsfrist?", "Hester Quill", GERMAN)) == [""]
    assert kind("language", candidate("解約の予告期間は何日ですか", "40", GERMAN)) == ["another language"]
