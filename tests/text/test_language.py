"""The language of a text is named where it is clear, and not guessed elsewhere."""

from __future__ import annotations

import pytest

from domainkit.text.language import is_other_language, language_of, script_of

TEXTS = {
    "English": "The notice period is 40 days, counted from the day we receive the form.",
    "German": "Die Kündigungsfrist beträgt 40 Tage und beginnt mit dem Tag, an dem das Formular eingeht.",
    "French": "Le délai de préavis est de 40 jours à compter de la réception du formulaire.",
    "Spanish": "El plazo de preaviso es de 40 días y se cuenta desde que recibimos el formulario.",
    "Italian": "Il periodo di preavviso è di 40 giorni e decorre dalla data in cui si riceve il modulo.",
    "Portuguese": "O prazo de aviso é de 40 dias e conta-se a partir da data em que o formulário não falta.",
    "Dutch": "De opzegtermijn is 40 dagen en gaat in op de dag waarop we het formulier van u ontvangen.",
    "Polish": "Okres wypowiedzenia to 40 dni i liczy się od dnia, w którym do nas dotrze ten formularz, a nie od daty.",
    "Russian": "Срок уведомления 40 дней, и он не считается с того дня, как мы получили это письмо, а по дате.",
}


@pytest.mark.parametrize("language", TEXTS)
def test_common_words_tell_the_language(language: str) -> None:
    assert language_of(TEXTS[language]) == language
    others = [text for name, text in TEXTS.items() if name != language]
    assert not is_other_language(TEXTS[language], TEXTS[language])
    assert all(is_other_language(other, TEXTS[language]) for other in others)


@pytest.mark.parametrize("text", ["Hester Quill", "£31", "in van", "T-03", "", "Plain Jane, Old Bess"])
def test_names_and_numbers_have_no_language(text: str) -> None:
    assert language_of(text) == ""
    assert not is_other_language(text, TEXTS["German"])


def test_scripts_tell_apart_what_has_no_function_words() -> None:
    assert script_of("予約は前日までに変更できます") == "JAPANESE"
    assert script_of("可以在前一天更改预约") == "CJK"
    assert is_other_language("When can it be changed?", "予約は前日までに変更できます")
    assert is_other_language("予約はいつまで変更できますか", TEXTS["English"])
    assert script_of("12:30") == ""
