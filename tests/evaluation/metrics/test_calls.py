from __future__ import annotations

import pytest

from domainkit.evaluation.calls.call_list import Call, write_calls
from domainkit.evaluation.metrics import MetricSet, metric_set
from domainkit.evaluation.task import Sample, Task

TASK = Task(name="t", kind="calls", samples=(), fingerprint="")
METRICS: MetricSet = metric_set(TASK)
ULM = write_calls([Call("weather", {"city": "Ulm", "day": "Monday"})])
BONN = write_calls([Call("weather", {"city": "Bonn", "day": "Monday"})])
CLOCK = write_calls([Call("clock", {})])


def scores(answer: str, *references: str) -> dict[str, float | None]:
    sample = Sample(id="1", input="q", target=references[0], references=references)
    return {name: metric(sample, answer).value for name, metric in METRICS.item.items()}


def expected(
    call_score: float, right_tool: float, all_right: float, needless: float | None, missing: float | None
) -> dict[str, float | None]:
    values = (call_score, right_tool, all_right, needless, missing)
    return dict(zip(METRICS.names, values, strict=True))


def test_the_primary_metric_is_the_graded_one() -> None:
    assert METRICS.primary == "call_score"
    assert METRICS.names == ["call_score", "right_tool", "calls_all_right", "needless_call", "missing_call"]


@pytest.mark.parametrize(
    ("answer", "references", "values"),
    [
        (ULM, [ULM], (1, 1, 1, None, 0)),
        (BONN, [ULM], (2 / 3, 1, 0, None, 0)),
        (CLOCK, [ULM], (0, 0, 0, None, 0)),
        ("It is fine.", [ULM], (0, 0, 0, None, 1)),
        ("", [ULM], (0, 0, 0, None, 1)),
        ("[]", ["[]"], (1, 1, 1, 0, None)),
        ("Good morning!", ["[]"], (1, 1, 1, 0, None)),
        ("", ["[]"], (0, 0, 0, 0, None)),
        (ULM, ["[]"], (0, 0, 0, 1, None)),
        (ULM, [BONN, ULM], (1, 1, 1, None, 0)),
        ("Good morning!", [ULM, "[]"], (1, 1, 1, None, None)),
        (ULM, [ULM, "[]"], (1, 1, 1, None, None)),
    ],
)
def test_each_metric_on_each_kind_of_answer(
    answer: str, references: list[str], values: tuple[float, float, float, float | None, float | None]
) -> None:
    assert scores(answer, *references) == pytest.approx(expected(*values))
