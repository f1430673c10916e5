"""domainkit.evaluation.kinds.labels"""

import re

import pytest

from domainkit.errors import DataError
from domainkit.evaluation.kinds import kind_of
from domainkit.evaluation.read_task import read_task

LABELS = kind_of("labels")
LISTS = [["tax"], ["rent", "tax"], [], ["rent"]]
ROWS = [{"input": f"m{i}", "target": LISTS[i % 4]} for i in range(8)]


def texts(*targets: str) -> list[dict]:
    return [{"input": f"m{i}", "target": t} for i, t in enumerate(targets * 4)]


def test_lists_are_labels_in_the_order_of_the_labels() -> None:
    rows = [*ROWS, {"input": "m", "target": ["tax", "rent"]}]
    task = read_task(rows)
    assert (task.kind, task.why_kind, task.labels) == ("labels", "every target is a list of texts", ("rent", "tax"))
    assert task.samples[-1].target == task.samples[1].target == '["rent", "tax"]'
    assert task.samples[2].target == "[]"


@pytest.mark.parametrize("separator", [";", "|", ","])
def test_a_column_with_a_separator_is_recognised_and_named(separator: str) -> None:
    task = read_task(texts("tax", f"rent{separator} tax", "rent"))
    assert task.kind == "labels"
    assert task.why_kind == f"targets are labels divided by '{separator}'"
    assert task.samples[1].target == '["rent", "tax"]'


@pytest.mark.parametrize(
    "targets",
    [("Smith, John", "Doe, Jane"), ("one, two, three", "four, five", "six"), ("yes", "no")],
)
def test_a_comma_in_a_text_or_a_label_makes_no_list(targets: tuple[str, ...]) -> None:
    assert read_task(texts(*targets)).kind != "labels"


def test_with_listed_labels_every_part_must_be_one_of_them() -> None:
    rows = texts("tax; rent", "tax")
    assert read_task(rows, labels=["tax", "rent"]).kind == "labels"
    with pytest.raises(DataError, match="the target 'rnt' is not among the labels given"):
        read_task([{"input": "x", "target": ["rnt"]}, *rows], labels=["tax", "rent"], kind="labels")


def test_a_test_label_that_train_lacks_is_an_error() -> None:
    with pytest.raises(DataError, match="the target 'new' is not among the targets of train"):
        read_task([{"input": "x", "target": ["new"]}], train=ROWS)


def test_the_grammar_takes_every_set_once_and_no_label_twice() -> None:
    task = read_task([{"input": "m", "target": [f"{a}(", "b", 'c"']} for a in "aaaa"])
    regex = LABELS.constraint(task)["regex"]
    allowed = ["[]", '["a("]', '["a(", "b"]', '["b", "c\\""]', '["a(", "b", "c\\""]', '["a(", "c\\""]']
    assert all(re.fullmatch(regex, text) for text in allowed)
    assert not any(re.fullmatch(regex, text) for text in ['["b", "b"]', '["b", "a("]', '["d"]', "[,]", '["a("'])


def test_many_labels_are_held_to_a_schema() -> None:
    rows = [{"input": "m", "target": [f"label {i}"]} for i in range(70)] * 4
    assert LABELS.constraint(read_task(rows))["json_schema"]["maxItems"] == 70


def test_the_parts_of_an_answer_have_their_status() -> None:
    task = read_task([*ROWS, {"input": "m", "target": ["rent", "home"]}])
    assert LABELS.view is not None
    parts = LABELS.view(task.samples[1], '["rent", "home", "fees"]', task)
    assert [(p.name, p.status) for p in parts] == [
        ("home", "invention"),
        ("rent", "match"),
        ("tax", "omission"),
        ("not a label", "invention"),
    ]
