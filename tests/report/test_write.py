from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from domainkit.errors import DataError
from domainkit.report import write_report
from domainkit.results.schema import Portfolio, Results


@pytest.mark.parametrize("given", ["folder", "file"])
def test_the_report_stands_beside_the_results(run_folder: Path, given: str) -> None:
    page, summary = write_report(run_folder if given == "folder" else run_folder / "results.json")
    assert (page, summary) == (run_folder / "report.html", run_folder / "report.md")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert summary.read_text(encoding="utf-8").startswith("# Bank support routing: fine-tune")


def test_the_same_results_give_the_same_bytes(run_folder: Path) -> None:
    page, _ = write_report(run_folder)
    first = page.read_bytes()
    write_report(run_folder)
    assert page.read_bytes() == first


def test_several_comparisons_are_one_report(tmp_path: Path, label_results: Results, answer_results: Results) -> None:
    Portfolio(title="Both tasks", comparisons=(label_results, answer_results)).save(tmp_path / "results.json")
    page, _ = write_report(tmp_path)
    assert "<h1><bdi>Both tasks</bdi></h1>" in page.read_text(encoding="utf-8")


def test_a_missing_file_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read") as caught:
        write_report(tmp_path)
    assert "next: name the folder that a finished `domainkit compare --out` wrote" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": "domainkit.results/9"}, "schema_version: Input should be 'domainkit.results/1'"),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
        ({"baseline": None}, "baseline: Input should be a valid string"),
    ],
)
def test_a_wrong_file_names_the_field(run_folder: Path, change: dict[str, object], message: str) -> None:
    path = run_folder / "results.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        write_report(path)
    assert f"is not a domainkit.results/1 file: {message}" in str(caught.value)


def test_the_report_needs_no_heavy_library() -> None:
    code = (
        "import sys, domainkit.report\n"
        "assert 'jinja2' not in sys.modules and 'rich' not in sys.modules\n"
        "domainkit.report.render, domainkit.report.to_markdown, domainkit.report.print_table\n"
        "names = {'torch', 'transformers', 'peft', 'langchain', 'langchain_core', 'pandas', 'numpy'}\n"
        "heavy = names & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
