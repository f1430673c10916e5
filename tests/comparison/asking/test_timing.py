"""Single answers are timed, and kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableLambda

from domainkit import Sample, Task, Variant
from domainkit.comparison.asking.timing import time_variants
from domainkit.comparison.config import CompareConfig
from domainkit.comparison.inputs import read_inputs
from domainkit.comparison.planning.choice import choose_variants

SAMPLES = tuple(Sample(id=str(i), input=f"q{i}", target="t", references=("t",)) for i in range(6))
TASK = Task(name="t", kind="answer", samples=SAMPLES, fingerprint="")


def run(folder: Path, items: int, **answers: Any) -> dict[str, list[float]]:
    variants = [
        Variant(name=n, description="A test's own.", runnable=RunnableLambda(a), identity=n) for n, a in answers.items()
    ]
    plan = choose_variants(read_inputs(TASK, CompareConfig(latency_items=items)), variants)
    times = time_variants(plan, TASK, folder / "latency.jsonl", None)
    return {name: seconds for name, seconds in times.items() if name != "trivial"}


def test_every_variant_is_timed_on_the_same_questions_and_once(tmp_path: Path) -> None:
    questions: dict[str, list[str]] = {"one": [], "two": []}
    answers = {name: lambda q, name=name: questions[name].append(q) or "t" for name in questions}
    times = run(tmp_path, 3, **answers)
    assert {name: len(t) for name, t in times.items()} == {"one": 3, "two": 3}
    warm, *timed = questions["one"]
    assert (warm, sorted(timed)) == ("q0", sorted(questions["two"][1:]))
    assert run(tmp_path, 3, **answers) == times, "kept in the file"
    assert len(questions["one"]) == 4


def test_a_variant_that_fails_has_no_time_and_stops_no_other(tmp_path: Path) -> None:
    def fail(question: str) -> str:
        raise ValueError("too hard")

    times = run(tmp_path, 2, good=lambda q: "t", bad=fail, ends=lambda q: sys.exit(3))
    assert {name: len(t) for name, t in times.items()} == {"good": 2, "bad": 0, "ends": 0}


def test_nothing_is_asked_where_nothing_is_to_be_timed(tmp_path: Path) -> None:
    asked: list[str] = []
    assert run(tmp_path, 0, one=asked.append) == {"one": []}
    assert asked == []
