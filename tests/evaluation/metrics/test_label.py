from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from domainkit.evaluation.metrics.label import label_accuracy, label_parser, macro_f1, parse_failure
from domainkit.evaluation.task import Sample, Task

LABELS = ("card_arrival", "card_lost", "top_up", "top_up_failed", "C", "C++")
TASK = Task(name="t", kind="label", samples=(), labels=LABELS, fingerprint="")


def sample(target: str) -> Sample:
    return Sample(id="1", input="q", target=target, references=(target,))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("card_arrival", "card_arrival"),
        ('  "Card arrival".', "card_arrival"),
        ("Card-Arrival\nbecause the card is not lost", "card_arrival"),
        ("The intent is card_arrival.", "card_arrival"),
        ("label: top up failed", "top_up_failed"),
        ("top_up or card_lost", None),
        ("top_up, top_up", "top_up"),
        ("C++", "C++"),
        ("C", "C"),
        ("c", None),  # folded, C and C++ are the same
        ("laptop_upper", None),
        ("", None),
        ("???", None),
    ],
)
def test_the_label_an_answer_names(text: str, label: str | None) -> None:
    assert label_parser(LABELS)(text) == label


def test_accuracy_and_parse_failure_are_apart() -> None:
    accuracy, failure = label_accuracy(TASK), parse_failure(TASK)
    for text, right, unread in (("top_up", 1, 0), ("card_lost", 0, 0), ("no idea", 0, 1)):
        assert accuracy(sample("top_up"), text).value == right
        assert failure(sample("top_up"), text).value == unread


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from([*LABELS, "no idea"])), min_size=1, max_size=30))
def test_macro_f1_is_sklearns(rows: list[tuple[str, str]]) -> None:
    metric = macro_f1(TASK)
    sums = np.sum([metric.counts(sample(t), text) for t, text in rows], axis=0)
    targets, named = [t for t, _ in rows], [text for _, text in rows]
    labels = sorted({*targets, *named} - {"no idea"})
    expected = f1_score(targets, named, labels=labels, average="macro", zero_division=0)
    assert float(metric.value(sums)) == pytest.approx(expected)
