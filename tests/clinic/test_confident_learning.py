"""Confident learning: the counting of the paper, and planted wrong labels found."""

from __future__ import annotations

import random

import numpy as np
import pytest

from domainkit.clinic.confident_learning import out_of_fold, suspects
from domainkit.evaluation.classical import Vectors


def test_a_row_is_suspected_at_the_other_labels_threshold() -> None:
    labels = ["a"] * 6 + ["b"] * 6
    p_of_a = [0.9, 0.8, 0.9, 0.8, 0.4, 0.05, 0.1, 0.2, 0.1, 0.2, 0.1, 0.95]
    found = suspects(labels, ["a", "b"], np.array([[p, 1 - p] for p in p_of_a]))
    # Thresholds: a .642, b .725. Rows 5 (b: .95) and 11 (a: .95) reach them, row 4 (b: .6) does not: two are listed.
    assert [(s.row, s.label) for s in found] == [(5, "b"), (11, "a")]
    assert found[0].other == pytest.approx(0.95)
    assert found[0].given == pytest.approx(0.05)


def test_labels_on_few_rows_are_not_judged() -> None:
    labels = ["a"] * 6 + ["rare"] * 2
    sure_of_other = np.array([[0.1, 0.9]] + [[0.9, 0.1]] * 5 + [[0.95, 0.05]] * 2)
    assert suspects(labels, ["a", "rare"], sure_of_other) == []


def questions() -> tuple[list[str], list[str]]:
    chance = random.Random(0)
    words = {
        "card": ("card", "chip", "pin", "contactless", "plastic"),
        "loan": ("loan", "interest", "mortgage", "repay", "instalment"),
        "fee": ("fee", "charge", "cost", "price", "expensive"),
    }
    rows = [
        (f"{chance.choice(ws)} {chance.choice(ws)} and my {chance.choice(ws)} number{i}", label)
        for label, ws in words.items()
        for i in range(40)
    ]
    return [q for q, _ in rows], [label for _, label in rows]


def test_planted_wrong_labels_are_found() -> None:
    asked, labels = questions()
    planted = random.Random(1).sample(range(len(labels)), 8)
    for i in planted:
        labels[i] = next(label for label in ("card", "loan", "fee") if label != labels[i])
    names, p = out_of_fold(
        asked, labels, range(len(labels)), Vectors(), "TF-IDF with logistic regression", lambda a, b: None
    )
    assert p.shape == (120, 3)
    assert np.allclose(p.sum(axis=1), 1)
    found = suspects(labels, names, p)
    assert {s.row for s in found[:6]} <= set(planted)
    assert len({s.row for s in found} & set(planted)) >= 6


def test_a_row_is_judged_by_models_that_saw_nothing_of_its_cluster() -> None:
    asked, labels = questions()
    asked[:4] = ["zebra zebra zebra"] * 4
    labels[:4] = ["fee"] * 4
    together = [0, 0, 0, 0, *range(4, len(labels))]
    args = (Vectors(), "TF-IDF with logistic regression", lambda a, b: None)
    apart = out_of_fold(asked, labels, range(len(labels)), *args)[1]
    joined = out_of_fold(asked, labels, together, *args)[1]
    assert joined[0, 1] < apart[0, 1]
