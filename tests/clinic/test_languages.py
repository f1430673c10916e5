"""Rows in another language than most are found; where no language has most, none is."""

from __future__ import annotations

from domainkit.clinic.languages import mostly_latin, others

ENGLISH = "Where is the card that I have ordered and when will it arrive?"
GERMAN = "Warum ist meine Karte noch nicht angekommen und wo kann ich das sehen?"
JAPANESE = "この近くに観光スポットはありますか"


def test_others_are_those_that_differ_from_most() -> None:
    most, found = others([ENGLISH] * 3 + [GERMAN, "card?", JAPANESE])
    assert most == "English"
    assert {i: guess.name for i, guess in found.items()} == {3: "German", 5: "Japanese"}
    assert others([ENGLISH, GERMAN]) == ("", {})
    assert others([]) == ("", {})


def test_the_first_rows_tell_the_script() -> None:
    assert mostly_latin([GERMAN])
    assert not mostly_latin([JAPANESE, "Почему моя карта ещё не пришла"])
