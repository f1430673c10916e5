"""domainkit.evaluation.classical_labels"""

import json
import random

from domainkit.evaluation.classical import Vectors
from domainkit.evaluation.classical_labels import labels_models

WORDS = {"tax": ["tax", "return", "refund"], "rent": ["rent", "landlord", "flat"], "bees": ["hive", "queen", "honey"]}


def rows(n: int, *, empty: bool, seed: int) -> tuple[list[str], list[str]]:
    rng = random.Random(seed)
    questions, targets = [], []
    for _ in range(n):
        named = [label for label in WORDS if rng.random() < 0.4]
        if not named and not empty:
            named = ["tax"]
        questions.append(" ".join(["please help with", *(rng.choice(WORDS[label]) for label in named), "today"]))
        targets.append(json.dumps(named))
    return questions, targets


def test_several_labels_are_learnt_and_none_where_none_fits() -> None:
    questions, targets = rows(90, empty=True, seed=0)
    [fit] = labels_models(Vectors()).values()
    predict = fit(questions, targets, Vectors())
    found = [set(json.loads(t)) for t in predict(["the landlord and the hive", "please help today", "my tax refund"])]
    assert found == [{"rent", "bees"}, set(), {"tax"}]
    assert predict([]) == []


def test_where_every_row_has_a_label_so_has_every_answer() -> None:
    questions, targets = rows(60, empty=False, seed=1)
    [fit] = labels_models(Vectors()).values()
    predict = fit(questions, targets, Vectors())
    assert all(json.loads(t) for t in predict(["something else entirely", "weather"]))


def test_few_rows_one_label_and_none_are_no_error() -> None:
    [fit] = labels_models(Vectors()).values()
    assert fit(["a b", "b c"], ['["x"]', '["x"]'], Vectors())(["a"]) == ['["x"]']
    assert fit(["a b", "b c"], ["[]", "[]"], Vectors())(["a"]) == ["[]"]
