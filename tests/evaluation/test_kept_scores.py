"""A score that costs something is asked for once, also by a run that was killed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from domainkit import Sample, judge
from domainkit.errors import MachineError
from domainkit.evaluation.kept_scores import KeptScores

SAMPLES = [Sample(id=str(i), input=f"q{i}", target="t", references=("t",)) for i in range(40)]
ANSWERS = ["x" * i for i in range(40)]
ASKED: list[str] = []


class Lengths:
    """Scores by length, and says what it was asked; the answers of `broken` lengths fail."""

    name = "lengths"

    def __init__(self, scale: float = 100.0, broken: Sequence[int] = (), state: Any = None) -> None:
        self.scale, self.broken, self.state = scale, broken, state
        # Its code refers to ASKED, which grows.
        self.identity = None if state else f"lengths {scale}"

    def many(self, samples: Sequence[Sample], answers: Sequence[str]) -> list[float | None]:
        raise AssertionError("attempt() tells a failure from a reply without a score")

    def attempt(self, samples: Sequence[Sample], answers: Sequence[str]) -> list[Any]:
        if "kill" in answers:
            raise KeyboardInterrupt
        ASKED.extend(answers)
        return [RuntimeError("busy") if len(a) in self.broken else len(a) / self.scale for a in answers]


@pytest.fixture(autouse=True)
def nothing_asked() -> None:
    ASKED.clear()


def test_a_killed_run_asks_no_score_twice(tmp_path: Path) -> None:
    file = tmp_path / "grades.jsonl"
    with pytest.raises(KeyboardInterrupt):
        KeptScores(Lengths(), file).many(SAMPLES, [*ANSWERS[:32], *["kill"] * 8])
    assert ANSWERS[:32] == ASKED
    assert KeptScores(Lengths(), file).many(SAMPLES, ANSWERS) == [i / 100 for i in range(40)]
    assert ASKED == ANSWERS


@pytest.mark.parametrize("change", [{"target": "u"}, {"references": ("t", "u")}, {"input": "r"}, {"meta": {"n": 1}}])
def test_what_the_metric_is_given_is_part_of_the_score(change: dict[str, Any], tmp_path: Path) -> None:
    other = SAMPLES[0].model_copy(update=change)
    made = KeptScores(Lengths(), tmp_path / "grades.jsonl")
    made.many([SAMPLES[0], other, SAMPLES[0].model_copy(update={"id": "moved"})], ["a", "a", "a"])
    assert ASKED == ["a", "a"]


def test_another_code_or_setting_scores_again(tmp_path: Path) -> None:
    file = tmp_path / "grades.jsonl"
    assert KeptScores(Lengths(), file).many(SAMPLES[:1], ["ab"]) == [0.02]
    assert KeptScores(Lengths(10.0), file).many(SAMPLES[:1], ["ab"]) == [0.2]
    for grade, score in (("7", 0.7), ("3", 0.3)):
        made = judge(RunnableLambda(lambda q, grade=grade: grade), "Be short.")
        assert KeptScores(made, file).many(SAMPLES[:1], ["ab"]) == [score]


def test_a_failed_request_is_asked_again_and_a_line_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "grades.jsonl"
    first = KeptScores(Lengths(broken=[1]), file)
    assert first.many(SAMPLES[:3], ["", "x", "xx"]) == [0.0, None, 0.02]
    assert "lengths: 1 of 3 answers have no score: RuntimeError: busy; the same command again asks" in caplog.text
    again = KeptScores(Lengths(), file)
    assert again.many(SAMPLES[:3], ["", "x", "xx"]) == [0.0, 0.01, 0.02]
    assert ASKED == ["", "x", "xx", "x"]


def test_a_metric_that_fails_everywhere_ends_the_run_at_its_first_block() -> None:
    with pytest.raises(MachineError, match="the lengths scored none of 16 answers: RuntimeError: busy") as caught:
        KeptScores(Lengths(broken=range(40))).many(SAMPLES, ANSWERS)
    assert "run the same command again" in str(caught.value)
    assert len(ASKED) == 16


def test_a_metric_that_cannot_be_read_is_kept_in_memory_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = KeptScores(Lengths(state=threading.Lock()), tmp_path / "grades.jsonl")
    made.many(SAMPLES[:1], ["a"])
    made.many(SAMPLES[:1], ["a"])
    assert ASKED == ["a"]
    assert not (tmp_path / "grades.jsonl").exists()
    assert "lengths: its scores are not kept on disk" in caplog.text
