"""domainkit.evaluation.fields.values"""

import pytest

from domainkit.evaluation.fields.form import Form
from domainkit.evaluation.fields.values import is_nothing, same_value


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("Zoë Müller", "zoe\u0308  MÜLLER"),
        ("2024-03-03", "3 March 2024"),
        ("1.234,50 €", "EUR 1,234.50"),
        (1234.5, "1.234,50 €"),
        ("12", 12),
        (3, 3.0),
        (True, "true"),
        ("Ａ１", "a1"),
        ("don’t", "don't"),
    ],
)
def test_values_that_differ_in_writing_only_are_the_same(gold: object, answer: object) -> None:
    assert same_value(gold, answer)
    assert same_value(answer, gold)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("007", "7"),
        ("1.10", "1.1"),
        ("Zoë", "Zoe"),
        ("John Smith", "Smith, John"),
        ("5 €", "5 $"),
        (True, 1),
        (False, 0),
        (True, "yes"),
        ("2024-03-03", "2024-03-04"),
        ("03/04/2024", "2024-04-03"),
        (None, "x"),
        ("A1", "A2"),
        (12, "twelve"),
    ],
)
def test_values_that_differ_in_substance_are_not(gold: object, answer: object) -> None:
    assert not same_value(gold, answer)
    assert not same_value(answer, gold)


def test_a_field_of_numbers_reads_texts_as_numbers() -> None:
    number = Form("number")
    assert same_value("1,50", "1.5", number)
    assert same_value("10", "10.4", Form("number", tolerance=0.5))


def test_the_order_of_day_and_month_comes_from_the_schema() -> None:
    assert same_value("03/04/2024", "2024-04-03", Form("text", order="dmy"))


def test_nothing_is_null_or_empty_unless_null_counts() -> None:
    assert all(map(is_nothing, (None, "", "  ", [], {})))
    assert not any(map(is_nothing, (0, False, "0", [0])))
    assert not is_nothing(None, Form(null_counts=True))
