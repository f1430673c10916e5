"""domainkit.evaluation.metrics.labels"""

import json

import numpy as np
import pytest

from domainkit.evaluation.metrics import CorpusMetric, declared
from domainkit.evaluation.metrics.labels import labels_parser
from domainkit.evaluation.task import Sample, Task

LABELS = ("billing", "lamp", "terms and conditions", "bees, wasps")
TASK = Task(name="t", kind="labels", samples=(), labels=LABELS, fingerprint="")


def sample(*labels: str) -> Sample:
    target = json.dumps(labels)
    return Sample(id="1", input="", target=target, references=(target,))


@pytest.mark.parametrize(
    ("answer", "named", "unread"),
    [
        ('["billing", "lamp"]', {"billing", "lamp"}, 0),
        ('["Billing.", "billing"]', {"billing"}, 0),
        ('["billing", "fees"]', {"billing"}, 1),
        ('["billing", 3]', {"billing"}, 1),
        ("[]", set(), 0),
        ("none", set(), 0),
        ("billing, lamp", {"billing", "lamp"}, 0),
        ("- billing\n- terms and conditions\n", {"billing", "terms and conditions"}, 0),
        ("1. lamp\n2. fees", {"lamp"}, 1),
        ("bees, wasps; lamp", {"bees, wasps", "lamp"}, 0),
        ("terms and conditions and lamp", {"lamp"}, 2),
        ("Billing and lamp.", {"billing", "lamp"}, 0),
        ('```json\n["lamp"]\n```', {"lamp"}, 0),
    ],
)
def test_an_answer_names_labels_in_many_forms(answer: str, named: set[str], unread: int) -> None:
    found = labels_parser(LABELS)(answer)
    assert (set(found.labels), found.unread, found.readable) == (named, unread, True)


@pytest.mark.parametrize("answer", ["", "  ", ",;", "fees", '["fees"]', "{}"])
def test_an_answer_of_which_nothing_is_read_is_unreadable(answer: str) -> None:
    assert not labels_parser(LABELS)(answer).readable


def test_none_is_a_label_where_it_is_listed() -> None:
    assert labels_parser(("none", "some"))("None").labels == {"none"}


@pytest.mark.parametrize(
    ("gold", "answer", "f1", "exact", "unread"),
    [
        (("billing", "lamp"), '["billing", "lamp"]', 1, 1, 0),
        (("billing", "lamp"), '["billing"]', 2 / 3, 0, 0),
        (("billing",), '["billing", "lamp"]', 2 / 3, 0, 0),
        (("billing",), '["billing", "fees"]', 2 / 3, 0, 1),
        ((), "[]", 1, 1, 0),
        ((), "", 0, 0, 1),
        (("billing",), "[]", 0, 0, 0),
        ((), '["lamp"]', 0, 0, 0),
    ],
)
def test_scores_of_one_question(gold: tuple[str, ...], answer: str, f1: float, exact: float, unread: float) -> None:
    scores = [declared(n)(TASK)(sample(*gold), answer).value for n in ("labels_f1", "subset_accuracy", "unread_labels")]
    assert scores == [pytest.approx(f1), exact, unread]


def test_micro_and_macro_f1_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(0)
    gold, given = (rng.random((40, len(LABELS))) < 0.4 for _ in range(2))
    listed = [[LABELS[j] for j in np.flatnonzero(row)] for row in gold]
    answers = [json.dumps([LABELS[j] for j in np.flatnonzero(row)]) for row in given]
    for name, average in (("labels_micro_f1", "micro"), ("labels_macro_f1", "macro")):
        metric = declared(name)(TASK)
        assert isinstance(metric, CorpusMetric)
        sums = np.sum([metric.counts(sample(*g), a) for g, a in zip(listed, answers, strict=True)], axis=0)
        assert float(metric.value(sums)) == pytest.approx(f1_score(gold, given, average=average))
