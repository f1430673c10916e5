"""Languages are found by script and common words; short texts stay unknown."""

from __future__ import annotations

import pytest

from domainkit.clinic.languages import guess_language, mostly_latin, others

TEXTS = {
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


@pytest.mark.parametrize(("name", "text"), TEXTS.items())
def test_a_sentence_tells_its_language(name: str, text: str) -> None:
    guess = guess_language(text)
    assert guess is not None
    assert guess.name == name


@pytest.mark.parametrize(
    "text", ["", "ok", "Top-up?", "SEPA IBAN BIC", "三寒四温", "12 34", "https://die.und.der/ist/nicht"]
)
def test_texts_that_do_not_tell_are_unknown(text: str) -> None:
    assert guess_language(text) is None


def test_others_are_those_that_differ_from_most() -> None:
    most, found = others([TEXTS["English"]] * 3 + [TEXTS["German"], "card?", TEXTS["Japanese"]])
    assert most == "English"
    assert {i: guess.name for i, guess in found.items()} == {3: "German", 5: "Japanese"}
    assert others([TEXTS["English"], TEXTS["German"]]) == ("", {})
    assert others([]) == ("", {})


def test_scripts_an_english_model_cannot_read() -> None:
    assert mostly_latin([TEXTS["German"]])
    assert not mostly_latin([TEXTS["Japanese"], TEXTS["Russian"]])
