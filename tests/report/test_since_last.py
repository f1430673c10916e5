"""An earlier run beside this one: kept when it is replaced, set side by side, and never in the way."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from domainkit.errors import ConfigError
from domainkit.report import render, to_markdown, write_report
from domainkit.report.since_last import PREVIOUS, keep_previous, previous_of, since_last
from domainkit.results.schema import Portfolio, Results


@pytest.fixture
def earlier(label_results: Results) -> Results:
    """Another verdict, one variant less, and tuned was right less often."""
    items = []
    for k, item in enumerate(label_results.items):
        answers = {name: a for name, a in item.answers.items() if name != "tuned-rag"}
        if k % 3 == 0:
            answers["tuned"] = answers["tuned"].model_copy(update={"scores": {"label_accuracy": 0.0}})
        items.append(item.model_copy(update={"answers": answers}))
    verdict = label_results.verdict.model_copy(update={"answer": "prompt", "choice": "few-shot"})
    kept = tuple(v for v in label_results.variants if v.name != "tuned-rag")
    fields = {"items": tuple(items), "verdict": verdict, "variants": kept, "created": "2026-02-01T08:00:00Z"}
    return label_results.model_copy(update=fields)


def test_the_replaced_run_is_kept_once(label_results: Results, earlier: Results, tmp_path: Path) -> None:
    keep_previous(tmp_path, earlier)
    assert not (tmp_path / PREVIOUS).exists()
    earlier.save(tmp_path / "results.json")
    keep_previous(tmp_path, label_results)
    assert Results.load(tmp_path / PREVIOUS) == earlier
    label_results.save(tmp_path / "results.json")
    again = label_results.model_copy(update={"created": "2026-04-01T08:00:00Z", "seconds": 1.0})
    keep_previous(tmp_path, again)
    assert Results.load(tmp_path / PREVIOUS) == earlier, "the same comparison again is no other run"


def test_a_damaged_file_is_no_earlier_run(label_results: Results, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("{", encoding="utf-8")
    keep_previous(tmp_path, label_results)
    assert not (tmp_path / PREVIOUS).exists()


def test_a_line_says_what_changed(label_results: Results, earlier: Results) -> None:
    line = since_last(label_results, earlier).line
    assert line.startswith("Other than in the earlier run of 2026-02-01: 'prompt' (few-shot, ")
    assert "Scores: tuned 60.8 → 89.6 %." in line
    assert line.endswith(" %. New: tuned-rag.")
    same = since_last(label_results, label_results).line
    assert same.startswith("As in the earlier run")
    assert same.endswith(" Every score that both have is the same.")
    other = label_results.model_copy(update={"task": label_results.task.model_copy(update={"primary_metric": "x"})})
    assert since_last(label_results, other).line.endswith("so their scores are not compared.")


def test_the_report_says_what_changed(label_results: Results, earlier: Results, run_folder: Path) -> None:
    earlier.save(run_folder / PREVIOUS)
    page, summary = (path.read_text(encoding="utf-8") for path in write_report(run_folder))
    for text in (page, summary):
        assert "Since the last run" in text
        assert "Other than in the earlier run of 2026-02-01: " in text
        assert "tuned-rag" in text.split("Since the last run")[-1]
    assert "New: tuned-rag." in summary
    since = since_last(label_results, earlier)
    assert since.runs is not None
    gain = next(p.difference for p in since.runs.pairings if p.name == "tuned")
    assert gain is not None
    assert gain.state == "BETTER"
    assert page.count("Then, %") == 1


def test_runs_on_other_questions_are_named_and_not_compared(
    label_results: Results, answer_results: Results, tmp_path: Path
) -> None:
    since = since_last(label_results, answer_results)
    assert since.runs is None
    assert since.reason.startswith("The runs are scored differently: token_f1 and label_accuracy, so their scores")
    assert ("Questions", "60", "240") in since.facts
    assert since.reason in render(label_results, since=since)
    assert "scored differently" in to_markdown(label_results, since=since)


def test_a_named_run_wins_over_the_kept_one(label_results: Results, earlier: Results, tmp_path: Path) -> None:
    other = earlier.model_copy(update={"created": "2026-01-01T08:00:00Z"})
    (tmp_path / "other").mkdir()
    other.save(tmp_path / "other" / "results.json")
    earlier.save(tmp_path / PREVIOUS)
    found = previous_of(tmp_path, label_results, tmp_path / "other")
    assert found is not None
    assert found.before == other
    Portfolio(title="Both", comparisons=(other, other)).save(tmp_path / "other" / "results.json")
    with pytest.raises(ConfigError, match="a run of several comparisons cannot be set beside one"):
        previous_of(tmp_path, label_results, tmp_path / "other")
    with pytest.raises(ConfigError, match="has no single run before it"):
        write_report(tmp_path / "other", tmp_path)


def test_a_kept_file_that_cannot_be_read_is_no_reason_to_lose_the_report(
    run_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (run_folder / PREVIOUS).write_text("{", encoding="utf-8")
    with caplog.at_level(logging.WARNING, "domainkit"):
        page, _ = write_report(run_folder)
    assert "Since the last run" not in page.read_text(encoding="utf-8")
    assert "the results of the run before are left out of the report" in caplog.text
