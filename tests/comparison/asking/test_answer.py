"""Answering in a race: fewer questions asked, the same verdict, marks that say so; a killed race runs the same
again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from domainkit import Results, Variant, compare
from domainkit.report import to_markdown

LABELS = ("billing", "delivery", "refund")


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "test.jsonl"
    rows = [
        {"id": f"q{i}", "input": f"Please see to number {i} ({LABELS[i % 3]})", "target": LABELS[i % 3]}
        for i in range(200)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def number(question: str) -> int:
    return int(question.split()[4])


def right(share: int) -> Any:
    """Right on `share` of ten questions."""
    return lambda q: LABELS[number(q) % 3] if number(q) * 7 % 10 < share else LABELS[(number(q) + 1) % 3]


def custom(name: str, answer: Any) -> Variant:
    return Variant(name=name, family="custom", description="A test's own.", runnable=RunnableLambda(answer))


def run(task: Path, out: Path, *variants: Variant, **options: Any) -> Results:
    return compare(task, list(variants), out, latency_items=0, race=True, baseline=variants[0].name, **options)


VARIANTS = [custom("plain", right(4)), custom("bad", right(0)), custom("good", right(9))]


def test_a_race_drops_the_worst_and_ends_when_every_difference_is_clear(task: Path, tmp_path: Path) -> None:
    results = run(task, tmp_path / "run", *VARIANTS)
    assert results == Results.load(tmp_path / "run")
    race = results.race
    assert race is not None
    assert set(race.out) == {"bad"}
    assert race.questions < race.of == 200
    assert race.answers < race.of_answers == 600
    assert (results.task.n, len(results.items)) == (race.questions, race.questions)
    lines = (tmp_path / "run" / "rows.jsonl").read_text().splitlines()
    assert len(lines) == race.answers
    by_name = {v.name: v for v in results.variants}
    assert by_name["bad"].metrics["label_accuracy"].n == race.out["bad"].answered
    difference = by_name["good"].difference
    assert difference is not None
    assert (difference.state, "e-process" in difference.method) == ("BETTER", True)
    assert (results.verdict.answer, results.verdict.choice, results.verdict.tied) == ("custom", "good", ())
    said = " ".join(results.verdict.cautions)
    assert f"The race ended after {race.questions} of 200 questions" in said
    assert f"bad after {race.out['bad'].answered} (worse than " in said


def test_a_killed_race_continues_and_asks_nothing_twice(task: Path, tmp_path: Path) -> None:
    whole = run(task, tmp_path / "whole", *VARIANTS)
    calls: list[int] = []

    def fails(question: str) -> str:
        calls.append(1)
        if len(calls) > 10:
            raise KeyboardInterrupt
        return right(9)(question)

    with pytest.raises(KeyboardInterrupt):
        run(task, tmp_path / "run", *VARIANTS[:2], custom("good", fails))
    again = run(task, tmp_path / "run", *VARIANTS)
    assert (again.race, again.verdict) == (whole.race, whole.verdict)
    assert [i.id for i in again.items] == [i.id for i in whole.items]
    rows = [json.loads(line) for line in (tmp_path / "run" / "rows.jsonl").read_text().splitlines()]
    assert max(Counter((row["key"], row["id"]) for row in rows).values()) == 1  # another function has another key


def test_equal_variants_are_asked_every_question(task: Path, tmp_path: Path) -> None:
    results = run(task, tmp_path / "run", custom("one", right(6)), custom("two", right(6)))
    assert results.race is not None
    assert (results.race.out, results.race.questions) == ({}, 200)


def test_the_reports_mark_a_variant_that_was_raced_out(task: Path, tmp_path: Path) -> None:
    results = run(task, tmp_path / "run", *VARIANTS)
    assert results.race is not None
    mark = f"dropped after {results.race.out['bad'].answered}"
    assert mark in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert mark in to_markdown(results)
