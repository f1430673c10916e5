"""domainkit.evaluation.fields.objects"""

import pytest

from domainkit.evaluation.fields.objects import find_object, parse_list


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ('{"a": 1}', True),
        ('\n {"a": 1}\n', True),
        ('```json\n{"a": 1}\n```', True),
        ('Here it is:\n```\n{"a": 1}\n```\nAnything else?', False),
        ('The answer is {"a": 1}.', False),
        ('{x} means {"a": 1}', False),
        ('{"a": 1} {"b": 2}', False),
    ],
)
def test_the_object_is_found_in_what_a_model_writes_around_it(text: str, alone: bool) -> None:
    assert find_object(text) == ({"a": 1}, alone)


@pytest.mark.parametrize("text", ["", "none", '{"a": 1', "[1]", '"a"', '{"a": NaN}', "{" * 20_000, '{"a":' * 20_000])
def test_what_holds_no_whole_object_holds_none(text: str) -> None:
    assert find_object(text) == (None, False)


def test_a_list_is_the_whole_text_or_a_fence() -> None:
    assert parse_list('["a", "b"]') == parse_list('```json\n["a", "b"]\n```') == ["a", "b"]
    assert parse_list("[]") == []
    assert parse_list("a, b") is parse_list('x ["a"]') is parse_list("{}") is None
