"""domainkit.evaluation.fields.dates"""

from datetime import date, time

import pytest

from domainkit.evaluation.fields.dates import Moment, read_date

MARCH_3 = date(2024, 3, 3)


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-03",
        "2024/3/3",
        "3 March 2024",
        "March 3rd, 2024",
        "Sunday, 3 March 2024",
        "3rd of March 2024",
        "03.03.2024",
        "3. März 2024",
        "3 de marzo de 2024",
        "3 mars 2024",
        "3-Mar-2024",
        "2024年3月3日",
        "2024년 3월 3일",
        "03/03/2024",
    ],
)
def test_the_third_of_march_is_read_in_every_form(text: str) -> None:
    assert read_date(text) == Moment(MARCH_3)


def test_day_and_month_that_may_be_either_are_no_date_unless_the_order_is_given() -> None:
    assert read_date("03/04/2024") is None
    assert read_date("13/04/2024") == read_date("04/13/2024") == Moment(date(2024, 4, 13))
    assert read_date("03/04/2024", "dmy") == Moment(date(2024, 4, 3))
    assert read_date("03/04/2024", "mdy") == Moment(date(2024, 3, 4))


@pytest.mark.parametrize(
    "text", ["31 February 2024", "2024-13-01", "March 2024", "3 Brumaire 2024", "12345", "x" * 5000]
)
def test_what_is_no_day_is_none(text: str) -> None:
    assert read_date(text) is None


def test_a_time_of_day_is_part_of_the_moment() -> None:
    assert read_date("2024-03-03T10:05:00Z") == Moment(MARCH_3, time(10, 5), "z")
    assert read_date("3 March 2024 at 10:05") == Moment(MARCH_3, time(10, 5))
    assert read_date("2024-03-03T10:05") != read_date("2024-03-03")
