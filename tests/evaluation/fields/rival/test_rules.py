"""domainkit.evaluation.fields.rival.rules"""

import json
import random

import pytest

from domainkit.evaluation.classical import Vectors
from domainkit.evaluation.fields.compare import compare_fields, counts_of
from domainkit.evaluation.fields.rival.flat import columns_of, object_of
from domainkit.evaluation.fields.rival.rules import CONSTANT, COPIED, choose_ways, fit_rules

NAMES = ("Ann Lee", "Bo Katz", "Cy Marsh", "Di Ono", "Ed Pohl", "Flo Quist", "Gus Rey", "Hal Stein", "Ida Toth")


def letters(n: int, seed: int) -> tuple[list[str], list[dict]]:
    rng = random.Random(seed)
    texts, targets = [], []
    for _ in range(n):
        name, price, code = (
            rng.choice(NAMES) + rng.choice(["", "son"]),
            rng.randint(10, 999),
            f"AB-{rng.randint(100, 999)}",
        )
        day, angry, paid = rng.randint(1, 28), rng.random() < 0.5, rng.random() < 0.7
        mood = "This is outrageous." if angry else "Many thanks for your kind help."
        bill = f"I paid {price},50 € for {code}." if paid else f"My code is {code}."
        texts.append(f"Dear team, on {day} March 2024 I wrote to you. {bill} {mood} Yours, {name}")
        seller = {"code": code, "amount": price + 0.5} if paid else {"code": code}
        target = {"name": name, "date": f"2024-03-{day:02d}", "mood": "angry" if angry else "calm", "seller": seller}
        targets.append({**target, "country": "UK"})
    return texts, targets


@pytest.fixture(scope="module")
def train() -> tuple[list[str], list[dict]]:
    return letters(45, 0)


def test_names_dates_amounts_codes_and_moods_are_found(train: tuple[list[str], list[dict]]) -> None:
    predict = fit_rules(train[0], [json.dumps(t) for t in train[1]], Vectors())
    texts, targets = letters(20, 1)
    found = [json.loads(t) for t in predict(texts)]
    assert sum(counts_of(compare_fields(t, f)).f1 for t, f in zip(targets, found, strict=True)) > 19
    assert all(isinstance(f["seller"].get("amount", 0.5), float) for f in found)


def test_each_field_has_its_own_way(train: tuple[list[str], list[dict]]) -> None:
    ways = choose_ways(train[0], columns_of(train[1]), Vectors())
    assert ways[("country",)].name == CONSTANT
    assert ways[("name",)].name == COPIED
    assert ways[("seller", "code")].name == "the first code in the text"
    assert ways[("date",)].name == "the first date in the text", "of equals the simplest"
    assert ways[("mood",)].name not in (CONSTANT, COPIED)
    assert all(way.score > 0.9 for way in ways.values())


def test_a_list_is_copied_whole() -> None:
    texts = [f"Send {a} and {b} to me." for a in ("PX-1", "PX-2", "PX-3", "PX-4") for b in ("QY-7", "QY-8", "QY-9")]
    targets = [json.dumps({"codes": [t.split()[1], t.split()[3]]}) for t in texts]
    predict = fit_rules(texts, targets, Vectors())
    assert json.loads(predict(["Send PX-9 and QY-4 to me."])[0]) == {"codes": ["PX-9", "QY-4"]}


def test_rows_without_anything_to_learn_are_no_error() -> None:
    assert fit_rules(["a"], ['{"x": 1}'], Vectors())(["b"]) == ['{"x": 1}']
    assert fit_rules(["a", "b"], ["{}", "{}"], Vectors())(["c", ""]) == ["{}", "{}"]
    lines = ['{"l": [{"a": 1}], "s": {"t": null}}'] * 3
    assert json.loads(fit_rules(["a", "b", "c"], lines, Vectors())(["d"])[0]) == {"l": [{"a": 1}], "s": {"t": None}}


def test_columns_and_objects_are_each_others_inverse() -> None:
    rows = [{"a": {"b": 1, "c": [2]}, "d": None}, {"a": {}, "e": "x"}]
    columns = columns_of(rows)
    assert [object_of({path: column[i] for path, column in columns.items()}) for i in range(2)] == rows
