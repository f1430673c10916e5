"""domainkit review without its page: rows, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import domainkit
from tests.review.reviewed_runs import different, judged, saved, two_variants


@pytest.fixture
def run(tmp_path: Path) -> Path:
    results = two_variants(different(8))
    reviews = judged(results, ["10", "00"])
    return saved(tmp_path, results, [reviews[0], reviews[1].model_copy(update={"correction": "better"})])


def test_reviews_become_rows_that_the_other_commands_read(run: Path) -> None:
    rows, pairs, accepted = (run / f"{name}.jsonl" for name in ("rows", "pairs", "accepted"))
    done = domainkit("review", run, "--rows", rows, "--pairs", pairs, "--references", accepted)
    assert done.returncode == 0, done.stderr
    assert f"Wrote 1 rows (corrections) to {rows}\nNext: domainkit train --data {rows} --out ADAPTER" in done.stdout
    assert f"Wrote 3 rows (pairs) to {pairs}\nNext: domainkit prefer --data {pairs}" in done.stdout
    assert "These are questions of the test set" in done.stdout
    for file in (rows, pairs, accepted):
        checked = domainkit("check", file)
        assert checked.returncode == 0, checked.stdout
        assert "not read" not in checked.stdout


def test_the_report_states_the_result_and_keeps_it(run: Path) -> None:
    done = domainkit("report", run)
    assert done.returncode == 0, done.stderr
    assert "People do not confirm the gain of tuned over few-shot yet" in done.stdout
    assert '"people"' in (run / "results.json").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--reviews", "0"], "--reviews: 0 asks for nothing"),
        (["--rubric", " "], "--rubric: the rubric is empty"),
        (["--reviewer", " "], "--reviewer: the name is empty"),
        (["--variants", "tuned,rag"], "--variants: the run has no variant 'rag'"),
        (["--variants", "tuned"], "is about tuned and few-shot"),
        (["--rows", "new.jsonl", "--port", "1"], "take no other option"),
        (["--rows", "new.csv"], "new.csv: rows are written as JSON Lines"),
    ],
)
def test_what_cannot_be_meant_is_refused(run: Path, words: list[str], message: str) -> None:
    refused = domainkit("review", run, *words)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert "next: " in refused.stderr


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    assert "results.json: cannot be read" in domainkit("review", tmp_path).stderr
    assert "is no folder" in domainkit("review", tmp_path / "nothing").stderr
