"""--judge and --rubric become metrics, or an error that says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.comparison.config import CompareConfig
from domainkit.comparison.judging.model import metrics_of, read_rubric
from domainkit.errors import ConfigError
from domainkit.evaluation.metrics.judge import Judge
from domainkit.evaluation.metrics.judge_pairs import PairJudge

MODULE = """
from langchain_core.language_models.fake_chat_models import FakeListChatModel

def grader():
    return FakeListChatModel(responses=["7"])

def broken():
    raise KeyError("no key")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_graders.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*metrics: str, judge: str | None = "my_graders:grader", rubric: str | None = "Be short.") -> list[str]:
    config = CompareConfig(metrics=metrics or None, judge=judge, rubric=rubric)
    return [m if isinstance(m, str) else m.name for m in metrics_of(config, "answer") or ()]


def test_a_judge_is_the_last_metric_unless_it_is_named(here: Path) -> None:
    assert names() == ["token_f1", "exact_match", "judge"]
    assert names("exact_match", "judge_pairs") == ["exact_match", "judge_pairs"]
    assert names("judge", "exact_match") == ["judge", "exact_match"]
    assert names("exact_match", judge=None, rubric=None) == ["exact_match"]


def test_both_judges_have_the_model_and_the_rubric(here: Path) -> None:
    (here / "rubric.md").write_text("Be kind.\n")
    config = CompareConfig(metrics=("judge", "judge_pairs"), judge="my_graders:grader", rubric="rubric.md")
    one, pairs = metrics_of(config, "answer") or ()
    assert isinstance(one, Judge)
    assert isinstance(pairs, PairJudge)
    assert one.rubric == pairs.rubric == "Be kind."
    assert None is not one.identity != pairs.identity


@pytest.mark.parametrize(
    ("judge", "rubric", "message"),
    [
        (None, "Be short.", "--rubric is given without --judge"),
        ("my_graders:grader", None, r"(?s)--judge is given without --rubric.*say what makes an answer good"),
        ("my_graders:broken", "x", r"(?s)judge my_graders:broken: cannot be made: KeyError: 'no key'.*python -c"),
        ("my_graders:MODEL", "x", "has no attribute 'MODEL'"),
        ("my_graders.part:grader", "x", "cannot be made: ModuleNotFoundError"),
        ("nobody:model", "x", "judge nobody:model: 'nobody' is neither a provider that LangChain knows"),
        ("my_graders:grader", "rubric.txt", "--rubric rubric.txt: no such file"),
        ("my_graders:grader", "empty.txt", "--rubric empty.txt: is empty"),
    ],
)
def test_what_is_missing_is_named(here: Path, judge: str | None, rubric: str | None, message: str) -> None:
    (here / "empty.txt").write_text("\n")
    with pytest.raises(ConfigError, match=message):
        names(judge=judge, rubric=rubric)


def test_a_rubric_is_words_or_a_file() -> None:
    for words in ("Short.", "right / wrong", "Is it short?\nIs it kind?", "w " * 400):
        assert read_rubric(words) == words.strip()
