"""domainkit.evaluation.fields.numbers"""

import pytest

from domainkit.evaluation.fields.numbers import Amount, read_amount, same_amount, same_number


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1.234,50 €", (1234.5, "eur")),
        ("1,234.50", (1234.5, "")),
        ("EUR 1 234,50", (1234.5, "eur")),
        ("$1,234.50", (1234.5, "usd")),
        ("-€5", (-5.0, "eur")),
        ("€ -5", (-5.0, "eur")),
        ("\u221212", (-12.0, "")),
        ("1.234.567", (1234567.0, "")),
        ("12,34,567.5", (1234567.5, "")),
        ("1'234.50 CHF", (1234.5, "chf")),
        ("1,5", (1.5, "")),
        ("0,123", (0.123, "")),
        ("1.234", (1.234, "")),
        ("1,234", (1234.0, "")),
        ("12 kg", (12.0, "kg")),
        ("90 km/h", (90.0, "km/h")),
        ("12 %", (12.0, "%")),
        ("3 m²", (3.0, "m2")),
        ("１２", (12.0, "")),
        ("2e3", (2000.0, "")),
    ],
)
def test_a_number_is_read_as_people_write_it(text: str, amount: tuple[float, str]) -> None:
    assert read_amount(text) == Amount(*amount)


@pytest.mark.parametrize(
    "text", ["", "twelve", "box 12", "1.2.3", "1,23,4", "12-14", "--5", "1.234,5.6", "3 + 4", "12 kg net"]
)
def test_what_is_not_one_number_is_none(text: str) -> None:
    assert read_amount(text) is None


def test_amounts_of_two_units_differ_and_a_bare_number_fits_either() -> None:
    assert not same_amount(Amount(5, "eur"), Amount(5, "usd"))
    assert same_amount(Amount(5, "eur"), Amount(5))


def test_a_tolerance_is_in_the_fields_own_unit() -> None:
    assert same_number(10, 10.4, 0.5)
    assert not same_number(10, 10.6, 0.5)
    assert not same_number(10, 10.001)
    assert same_number(0.1 + 0.2, 0.3)
