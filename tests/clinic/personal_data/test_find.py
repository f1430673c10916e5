"""Values are found in the forms in which people write them, never shown whole, and numbers that are none are left."""

from __future__ import annotations

import pytest

from domainkit.clinic.personal_data.find import find_personal_data, without_personal_data

FOUND = [
    ("email", "write to j.smith+bank@mail.provider.co.uk, please"),
    ("email", "j.smith (at) provider (dot) org"),
    ("email", "Ｊane＠provider.org から"),
    ("iban", "IBAN DE89 3704 0044 0532 0130 00."),
    ("iban", "to gb29nwbk60161331926819"),
    ("card", "my card 4111 1111 1111 1111 was declined"),
    ("card", "card number:4111111111111111"),
    ("card", "Amex 3782 822463 10005"),
    ("us ssn", "SSN 536-90-4399"),
    ("german tax id", "Meine Steuer-ID ist 86 095 742 719"),
    ("uk nhs number", "NHS no. 943 476 5919"),
    ("french nir", "n° sécu 2 55 08 14 168 025 38"),
    ("spanish id", "DNI 12345678Z"),
    ("codice fiscale", "CF: RSSMRA85T10A562S"),
    ("dutch bsn", "BSN 111222333"),
    ("aadhaar", "Aadhaar: 2341 2341 2346"),
    ("pesel", "PESEL 44051401359"),
    ("personnummer", "personnummer 811228-9874"),
    ("cpf", "CPF 529.982.247-25"),
    ("swiss ahv", "AHV-Nr. 756.9217.0769.85"),
    ("chinese id", "身份证 11010519491231002X"),
    ("ip address", "from 8.8.4.4 at noon"),
    ("ip address", "2001:4860:4860::8888"),
    ("phone", "call +44 20 7946 0958"),
    ("phone", "0049 (0)30 1234567"),
    ("phone", "(415) 555-2671 after five"),
    ("phone", "Tel. 030 / 90 18 20"),
    ("phone", "मेरा phone ९८७६५ ४३२१०"),
    ("phone", "mobile: 07700 900123"),
]
NOT_FOUND = [
    "order 4111111111111112 of 2026-11-28",
    "at 09:30 on 28.11.2026, 12.5 %, €1,234.56",
    "version 1.2.3.4.5 and 192.168.0.1 and 127.0.0.1",
    "someone@example.com writes @home",
    "ISBN 978-3-16-148410-0 costs 12-15",
    "DE89 3704 0044 0532 0130 01",
    "111222333 rows in 2019-2024",
    "the hotel has 300 rooms; tell 12 34 people",
    "def f(a: int) -> b::c",
    "12345678A is no DNI",
    "RFC 2606, ICD-10 E11.9, CAS 7732-18-5, 50 mg/ml",
]


@pytest.mark.parametrize(("kind", "text"), FOUND)
def test_each_form_is_found_and_masked(kind: str, text: str) -> None:
    [found] = find_personal_data(text)
    assert found.kind == kind
    value = text[found.start : found.end]
    assert len(found.masked.replace("…", "").replace("@", "")) <= 4
    assert value not in found.masked
    cleaned = without_personal_data(text)
    assert f"[{kind.upper().replace(' ', '_')}]" in cleaned
    assert find_personal_data(cleaned) == []


@pytest.mark.parametrize("text", NOT_FOUND)
def test_other_numbers_are_left(text: str) -> None:
    assert find_personal_data(text) == []
    assert without_personal_data(text) == text


def test_only_the_kinds_named_are_taken_out() -> None:
    text = "mail a.b@provider.org or call +44 20 7946 0958"
    assert without_personal_data(text, frozenset({"email"})) == "mail [EMAIL] or call +44 20 7946 0958"


def test_a_word_that_names_it_makes_a_number_surer() -> None:
    [named], [alone] = find_personal_data("NHS number 943 476 5919"), find_personal_data("943 476 5919")
    assert named.sure > 0.9 > alone.sure
