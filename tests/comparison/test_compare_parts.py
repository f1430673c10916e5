"""compare() where an answer has parts: an object's fields, or several labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit import Results, compare

TOWNS = ("Bonn", "Cork", "Lyon")
SCHEMA = {
    "type": "object",
    "properties": {"town": {"type": "string", "maxLength": 8}, "mood": {"enum": ["calm", "angry"]}},
    "required": ["mood"],
}


def letters(n: int, start: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "input": f"Letter {i} from {TOWNS[i % 3]}: {'many thanks' if i % 2 else 'this is an outrage'}.",
            "target": {"town": TOWNS[i % 3], "mood": "calm" if i % 2 else "angry"},
        }
        for i in range(start, start + n)
    ]


def messages(n: int, start: int = 0) -> list[dict[str, Any]]:
    words = {"tax": "refund", "rent": "landlord"}
    sets = (["tax"], ["rent"], ["rent", "tax"], [])
    return [
        {"input": f"hello {i} {' and '.join(words[label] for label in sets[i % 4])}", "target": sets[i % 4]}
        for i in range(start, start + n)
    ]


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory, tiny_base: str) -> Results:
    out = tmp_path_factory.mktemp("fields")
    names, options = ["trivial", "classical", "few-shot"], {"base": tiny_base, "shots": 2, "latency_items": 0}
    return compare(letters(6, 100), names, out, train=letters(24), schema=SCHEMA, max_tokens=40, **options)


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory, tiny_base: str) -> Results:
    out = tmp_path_factory.mktemp("labels")
    names, options = ["trivial", "classical", "few-shot"], {"base": tiny_base, "shots": 2, "latency_items": 0}
    return compare(messages(8, 100), names, out, train=messages(32), max_tokens=40, **options)


def value(results: Results, variant: str, metric: str) -> float | None:
    return next(v.metrics[metric].value for v in results.variants if v.name == variant)


def test_fields_are_read_asked_held_and_scored(fields: Results) -> None:
    assert (fields.task.kind, fields.task.primary_metric) == ("fields", "field_f1")
    assert value(fields, "classical", "field_f1") == 1
    # A third of the towns and half of the moods.
    assert value(fields, "trivial", "field_f1") == pytest.approx(5 / 12)
    assert value(fields, "few-shot", "valid_json") == 1
    given = json.loads(fields.items[0].answers["few-shot"].text)
    assert given["mood"] in ("calm", "angry")


def test_each_answer_keeps_what_became_of_its_parts(fields: Results) -> None:
    item = fields.items[0]
    right = json.loads(item.target)
    found = [(p.name, p.expected, p.given, p.status) for p in item.answers["classical"].parts]
    assert found == [(name, right[name], right[name], "match") for name in ("town", "mood")]


def test_several_labels_are_read_asked_held_and_scored(labels: Results) -> None:
    assert (labels.task.kind, labels.task.labels, labels.task.primary_metric) == ("labels", 2, "labels_f1")
    assert value(labels, "classical", "labels_f1") == 1
    assert value(labels, "few-shot", "unread_labels") == 0
    sets = ([], ["rent"], ["tax"], ["rent", "tax"])
    assert all(json.loads(item.answers["few-shot"].text) in sets for item in labels.items)


def test_the_report_is_written_with_a_table_of_the_parts(fields: Results, labels: Results, tmp_path: Path) -> None:
    from domainkit.report import write_report

    for results, title in ((fields, "## Fields"), (labels, "## Labels")):
        results.save(tmp_path / "results.json")
        write_report(tmp_path)
        assert title in (tmp_path / "report.md").read_text(encoding="utf-8")
