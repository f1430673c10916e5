"""domainkit watch: begin, report, exit codes, feedback rows; and what does not go together."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.monitoring.feedback import record_feedback
from domainkit.monitoring.watch import watch
from tests.cli.command import domainkit
from tests.monitoring.watched_runs import WordVectors, answered, label_run, question, save


def test_a_watch_begins_counts_and_tells(tmp_path: Path) -> None:
    folder, run = tmp_path / "watched", save(label_run(), tmp_path / "run")
    watch(folder, run, embeddings=WordVectors()).close()
    begun = domainkit("watch", folder)
    assert (begun.returncode, begun.stderr) == (0, "")
    assert "Nothing has been counted yet." in begun.stdout
    with watch(folder, embeddings=WordVectors()) as watched:
        for k in range(100):
            watched.observe(question("apple", k), answered("card"), 0.1)
    changed = domainkit("watch", folder, "--summary", tmp_path / "watch.md")
    assert changed.returncode == 3
    assert "questions unlike those of the run" in changed.stdout
    assert (tmp_path / "watch.md").read_text().startswith("## Changed since about")


def test_feedback_becomes_rows_with_their_commands(tmp_path: Path) -> None:
    record_feedback(tmp_path, "q", "a", good=False, correction="b")
    done = domainkit("watch", tmp_path, "--feedback-rows", tmp_path / "rows.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Wrote 1 corrections to" in done.stdout
    assert "domainkit prefer --objective kto --data" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["F", "--variant", "tuned"], "--variant is used with --run alone"),
        (["F", "--feedback-rows", "o.jsonl", "--summary", "x"], "--feedback-rows takes no other option"),
        (["F"], "reference.json: cannot be read"),
    ],
)
def test_what_does_not_go_together(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = domainkit("watch", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "next:" in done.stderr
