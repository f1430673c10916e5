"""Published examples pass; with one digit changed, or two swapped, they fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domainkit.clinic.personal_data import checksums as c

EXAMPLES: list[tuple[Callable[[str], bool], str]] = [
    (c.card, "4111111111111111"),
    (c.card, "5555555555554444"),
    (c.card, "378282246310005"),
    (c.iban, "DE89370400440532013000"),
    (c.iban, "GB29NWBK60161331926819"),
    (c.iban, "FR1420041010050500013M02606"),
    (c.german_tax_id, "86095742719"),
    (c.german_tax_id, "47036892816"),
    (c.nhs_number, "9434765919"),
    (c.french_nir, "255081416802538"),
    (c.spanish_dni, "12345678Z"),
    (c.spanish_dni, "X1234567L"),
    (c.codice_fiscale, "RSSMRA85T10A562S"),
    (c.dutch_bsn, "111222333"),
    (c.verhoeff, "234123412346"),
    (c.pesel, "44051401359"),
    (c.personnummer, "8112289874"),
    (c.cpf, "52998224725"),
    (c.ahv, "7569217076985"),
    (c.chinese_id, "11010519491231002X"),
]


@pytest.mark.parametrize(("check", "number"), EXAMPLES, ids=lambda v: v if isinstance(v, str) else v.__name__)
def test_published_examples_pass_and_misprints_fail(check: Callable[[str], bool], number: str) -> None:
    assert check(number)
    places = [i for i, x in enumerate(number) if x.isdigit()]
    misprints = [number[:i] + str((int(number[i]) + 1) % 10) + number[i + 1 :] for i in places[-6:-1]]
    assert not any(check(m) for m in misprints)


def test_numbers_without_a_check_digit_keep_their_rules() -> None:
    assert c.us_ssn("536904399")
    assert not any(c.us_ssn(n) for n in ("000121234", "666121234", "900121234", "536001234", "536120000", "078051120"))


def test_repeated_digits_are_no_number() -> None:
    assert not any((c.card("0" * 16), c.nhs_number("0" * 10), c.cpf("1" * 11), c.dutch_bsn("0" * 9)))
