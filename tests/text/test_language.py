"""The language of a text is named where it is clear, and not guessed elsewhere."""

from __future__ import annotations

import pytest

from domainkit.text.language import guess_language, is_mostly_latin, is_other_language, language_of, script_of

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


SENTENCES = {
    "English": "Where is the card that I have ordered and when will it arrive?",
    "German": "Warum ist meine Karte noch nicht angekommen und wo kann ich das sehen?",
    "French": "Pourquoi ma carte n'est pas encore arrivée et comment je peux la suivre ?",
    "Spanish": "¿Dónde está mi tarjeta y cuándo la puedo usar para pagar con ella?",
    "Portuguese": "Onde está o meu cartão e quando posso usar para uma compra?",
    "Italian": "Perché la mia carta non è ancora arrivata e dove la posso usare?",
    "Dutch": "Waarom is mijn kaart nog niet aangekomen en hoe kan ik dat zien?",
    "Swedish": "Varför har mitt kort inte kommit och hur kan jag se var det är?",
    "Polish": "Dlaczego moja karta nie przyszła i gdzie jest mój przelew do banku?",
    "Russian": "Почему моя карта ещё не пришла и где я могу это посмотреть?",
    "Ukrainian": "Чому моя картка ще не прийшла і де я можу це побачити?",
    "Japanese": "この近くに観光スポットはありますか",
    "Chinese": "我的银行卡为什么还没有寄到",
    "Arabic": "أين بطاقتي ومتى تصل",
    "Thai": "บัตรของฉันอยู่ที่ไหน",
    "Hangul": "내 카드는 언제 도착하나요",
}


@pytest.mark.parametrize(("name", "text"), SENTENCES.items())
def test_a_sentence_tells_its_language(name: str, text: str) -> None:
    guess = guess_language(text)
    assert guess is not None
    assert guess.name == name


@pytest.mark.parametrize(
    "text", ["", "ok", "Top-up?", "SEPA IBAN BIC", "三寒四温", "12 34", "https://die.und.der/ist/nicht"]
)
def test_texts_that_do_not_tell_are_unknown(text: str) -> None:
    assert guess_language(text) is None


def test_one_word_said_often_tells_nothing() -> None:
    assert guess_language("Die! die die die, said the game") is None


def test_scripts_an_english_model_cannot_read() -> None:
    assert is_mostly_latin(SENTENCES["German"])
    assert not is_mostly_latin(SENTENCES["Japanese"] + SENTENCES["Russian"])
