"""domainkit gate: exit codes, summaries, the workflow; and what does not go together."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from domainkit.cli.gate import STEP_SUMMARY
from tests.cli.command import domainkit
from tests.verdict.small_results import run_of

GOOD = [1.0, 1.0, 1.0, 0.0] * 100


def saved(folder: Path, scores: list[float]) -> Path:
    run_of(scores).save(folder / "results.json")
    return folder


def test_exit_codes_and_summaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = saved(tmp_path / "released", GOOD)
    worse = saved(tmp_path / "worse", [0.0] * 60 + GOOD[60:])
    monkeypatch.setenv(STEP_SUMMARY, str(tmp_path / "step.md"))
    (tmp_path / "step.md").write_text("before\n")
    failed = domainkit("gate", worse, "--against", released, "--summary", tmp_path / "gate.md")
    assert (failed.returncode, failed.stderr) == (1, "")
    assert "Gate failed: worse" in failed.stdout
    assert f"domainkit report --compare {released} {worse}" in failed.stdout
    text = (tmp_path / "gate.md").read_text()
    assert text.startswith("## Gate failed: worse\n\ntuned: −11.2 points")
    assert (tmp_path / "step.md").read_text() == f"before\n{text}"
    passed = domainkit("gate", released, "--against", released)
    assert passed.returncode == 0
    assert "Gate passed: not worse" in passed.stdout
    few = saved(tmp_path / "few", GOOD[:20])
    unsure = domainkit("gate", few, "--against", few, "--margin", "5")
    assert unsure.returncode == 3
    assert "Gate: cannot tell" in unsure.stdout


def test_the_workflow_is_one_of_github_actions() -> None:
    shown = domainkit("gate", "--workflow")
    assert shown.returncode == 0
    workflow = yaml.safe_load(shown.stdout)
    steps = workflow["jobs"]["gate"]["steps"]
    assert any("domainkit gate" in step.get("run", "") for step in steps)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the gate needs two runs"),
        (["RUN", "--workflow"], "--workflow takes no other argument"),
        (["RUN", "--against", "OTHER"], "cannot be read"),
    ],
)
def test_what_does_not_go_together(words: list[str], message: str) -> None:
    done = domainkit("gate", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "next:" in done.stderr
