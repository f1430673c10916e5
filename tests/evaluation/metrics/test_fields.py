"""domainkit.evaluation.metrics.fields"""

import json

import numpy as np
import pytest

from domainkit.evaluation.metrics import CorpusMetric, declared, default_metrics
from domainkit.evaluation.task import Sample, Task

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}, "price": {"type": "number"}, "note": {}}}
TASK = Task(name="t", kind="fields", samples=(), json_schema=SCHEMA, fingerprint="")


def sample(*targets: object) -> Sample:
    references = tuple(json.dumps(target) for target in targets)
    return Sample(id="1", input="", target=references[0], references=references)


GOLD = sample({"name": "The Eagle", "price": 12.5})


@pytest.mark.parametrize(
    ("answer", "f1", "right", "valid"),
    [
        ('{"name": "the  eagle", "price": "12,50 €", "note": null}', 1, 1, 1),
        ('{"name": "The Eagle", "price": 13}', 0.5, 0, 1),
        ('{"name": "The Eagle"}', 2 / 3, 0, 1),
        ('{"name": "The Eagle", "price": 12.5, "note": "x"}', 0.8, 0, 1),
        ('It is {"name": "The Eagle", "price": 12.5}.', 1, 1, 0),
        ("The Eagle, 12.50", 0, 0, 0),
        ("", 0, 0, 0),
    ],
)
def test_an_answer_is_scored_field_by_field(answer: str, f1: float, right: float, valid: float) -> None:
    scores = [declared(name)(TASK)(GOLD, answer).value for name in ("field_f1", "fields_all_right", "valid_json")]
    assert scores == [pytest.approx(f1), right, valid]


def test_an_unreadable_answer_scores_nothing_even_where_nothing_is_right() -> None:
    empty = sample({})
    assert declared("field_f1")(TASK)(empty, "{}").value == 1
    assert declared("field_f1")(TASK)(empty, "no idea").value == 0
    assert declared("fields_all_right")(TASK)(empty, "").value == 0


def test_the_nearest_reference_counts() -> None:
    either = sample({"name": "A"}, {"name": "B"})
    assert declared("field_f1")(TASK)(either, '{"name": "b"}').value == 1


def test_micro_scores_are_over_all_values_together() -> None:
    answers = ['{"name": "The Eagle", "price": 13}', '{"name": "The Eagle"}', "?"]
    found = {}
    for name in ("field_precision", "field_recall", "field_micro_f1"):
        metric = declared(name)(TASK)
        assert isinstance(metric, CorpusMetric)
        sums = np.sum([metric.counts(GOLD, answer) for answer in answers], axis=0)
        found[name] = float(metric.value(sums))
        assert metric.value(np.zeros((4, 3))).tolist() == [1, 1, 1, 1]
    assert found == {"field_precision": 2 / 3, "field_recall": 2 / 6, "field_micro_f1": pytest.approx(4 / 9)}


def test_the_primary_metric_comes_first() -> None:
    assert default_metrics("fields")[0] == "field_f1"
    assert default_metrics("labels")[0] == "labels_f1"
