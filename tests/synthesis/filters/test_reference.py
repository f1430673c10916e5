"""A question that points at the text is dropped, whatever the language; one about the domain's own texts is not."""

from __future__ import annotations

import pytest

from tests.synthesis.scripted import candidate, kind


@pytest.mark.parametrize(
    "question",
    [
        "According to the text, what does a locker cost?",
        "What does a locker cost in the passage?",
        "What price does the author give for a locker?",
        "What does the document say about lockers?",
        "Based on the provided context, what does a locker cost?",
        "What is mentioned above about lockers?",
        "What does Figure 2 show about lockers?",
        "What is the price of a locker in Table 3?",
        "What does this article recommend for lockers?",
        "Which price is given in the following excerpt?",
        "Was kostet ein Schließfach laut Text?",
        "Welcher Preis steht in diesem Abschnitt?",
        "Quel est le prix selon le texte ?",
        "Quel prix est donné dans ce document ?",
        "¿Cuánto cuesta según el texto?",
        "Quanto costa secondo il testo?",
        "Quanto custa de acordo com o texto?",
        "Wat kost een kluisje volgens de tekst?",
        "この文章によるとロッカーはいくらですか",
        "根据文章，储物柜多少钱？",
        "Сколько стоит шкафчик согласно тексту и в этом документе?",
    ],
)
def test_what_points_at_the_text_is_dropped(question: str) -> None:
    assert kind("reference", candidate(question)) == ["speaks of the document"]


@pytest.mark.parametrize(
    ("question", "quote"),
    [
        ("What does a locker in the swimming hall cost?", "A locker costs £4 a week."),
        ("Which document proves that a locker is paid?", "The receipt is the document that proves it."),
        ("Who signs the document?", "The porter signs the document."),
        ("How many guests sit at table 4?", "At table 4 sit six guests."),
        ("What must stand in the document?", "The name and date must stand in the document."),
        ("Which section of the Housing Act covers deposits?", "Section 12 of the Housing Act covers deposits."),
        ("How is the figure of the Virgin restored?", "The figure of the Virgin is restored by hand."),
        ("What is the contextual help key?", "F1 is the contextual help key."),
        ("Wer unterschreibt das Dokument?", "Der Pförtner unterschreibt das Dokument."),
    ],
)
def test_questions_about_the_domain_pass(question: str, quote: str) -> None:
    assert kind("reference", candidate(question, "x", quote)) == [""]
