"""domainkit report: one run, other prices, CSV, two runs side by side; and what does not go together."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from domainkit.cli import main
from domainkit.results.schema import Portfolio, Results
from tests.report.conftest import label_results, run_folder

__all__ = ["label_results", "run_folder"]


def report(*words: Any) -> tuple[int, str, str]:
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["domainkit", "report", *map(str, words)])
        patch.setenv("COLUMNS", "120")
        try:
            main()
        except SystemExit as e:
            code = int(e.code or 0)
    return code, out.getvalue(), err.getvalue()


def test_new_prices_go_into_the_results_and_the_page(run_folder: Path, tmp_path: Path) -> None:
    prices = tmp_path / "my.toml"
    prices.write_text('currency = "EUR"\n[machine]\ngpu_hour = 3\n')
    code, shown, err = report(run_folder, "--prices", prices, "--csv", tmp_path / "out.csv")
    assert (code, err) == (0, "")
    cost = Results.load(run_folder).cost
    assert cost is not None
    assert (cost.prices.currency, cost.prices.machine_hour) == ("EUR", 3.0)
    assert "1,000 questions, EUR" in (run_folder / "report.html").read_text(encoding="utf-8")
    assert "out.csv" in shown
    assert (tmp_path / "out.csv").read_text(encoding="utf-8-sig").count("q0239") == 1


def test_two_runs_make_one_page(run_folder: Path, tmp_path: Path) -> None:
    code, shown, err = report("--compare", run_folder, run_folder)
    assert (code, err) == (0, "")
    page = (run_folder / "side_by_side.html").read_text(encoding="utf-8")
    assert "No score changed." in page
    assert "tuned: 0 questions better in B, 0 worse" in shown
    report("--compare", run_folder, run_folder, "--out", tmp_path / "mine.html")
    assert (tmp_path / "mine.html").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the run is missing"),
        (["RUN", "--compare", "RUN", "RUN"], "--compare needs two runs and no other argument"),
        (["RUN", "--out", "x.html"], "--out can be used only with --compare"),
        (["RUN", "--prices", "none.toml"], "cannot be read"),
    ],
)
def test_options_that_do_not_go_together_are_refused(run_folder: Path, words: list[str], message: str) -> None:
    code, _, err = report(*(run_folder if w == "RUN" else w for w in words))
    assert code == 2
    assert message in err
    assert "next:" in err


def test_several_comparisons_have_no_one_table(tmp_path: Path, label_results: Results) -> None:
    Portfolio(title="Both", comparisons=(label_results,)).save(tmp_path / "results.json")
    code, _, err = report(tmp_path, "--csv", tmp_path / "out.csv")
    assert code == 2
    assert "--csv writes the questions of one comparison" in err
