"""The lines to paste are right for any folder's name, and promise no winner where there is none."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from domainkit.report import render, to_markdown, write_report
from domainkit.report.sections.use_section import use_of
from domainkit.results.schema import Results

FOLDERS = ["runs/first", 'my runs/it\'s "first"', "läufe/運行", "a\\b", "$HOME/`x`", "a<b>&c", "```"]


def changed(results: Results, **verdict: Any) -> Results:
    return results.model_copy(update={"verdict": results.verdict.model_copy(update=verdict)})


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_lines_name_the_folder_as_python_and_the_shell_read_it(label_results: Results, folder: str) -> None:
    use = use_of(label_results, folder)
    assert use is not None
    called = []
    code = use.python.replace("from domainkit import load_winner", "")
    exec(code.partition("\nprint")[0], {"load_winner": called.append})
    assert called == [folder]
    assert shlex.split(use.commands[0]) == ["domainkit", "ask", "--run", folder, "your question"]
    assert shlex.split(use.commands[1]) == ["domainkit", "serve", folder]
    for page in (render(label_results, folder), to_markdown(label_results, folder)):
        assert "Use it" in page


def test_without_a_winner_the_variant_to_use_until_then_is_named(label_results: Results) -> None:
    use = use_of(changed(label_results, answer="cannot tell yet", choice="zero-shot"), "runs/first")
    assert use is not None
    assert 'load_variant("runs/first", "zero-shot")' in use.python
    assert "ask --run runs/first --variant zero-shot" in use.commands[0]
    assert use.commands[1] == "domainkit serve 'runs/first#zero-shot'"
    assert use.lead == "Until the comparison can tell, zero-shot:"
    assert use_of(changed(label_results, answer="cannot tell yet", choice=""), "runs/first") is None


@pytest.mark.parametrize(("record", "own", "shown"), [(False, False, False), (True, True, False), (True, False, True)])
def test_what_cannot_be_loaded_gets_no_lines(
    label_results: Results, run_folder: Path, record: bool, own: bool, shown: bool
) -> None:
    """A run of an earlier version has no variants.json; a Runnable of the user's own is named in it only."""
    if record:
        choice = {label_results.verdict.choice: {"flags": {}, "key": "k", "own": own}}
        facts = {"created": "", "task": "t", "kind": "label", "settings": {}, "versions": {}, "variants": choice}
        (run_folder / "variants.json").write_text(json.dumps(facts), encoding="utf-8")
    page, summary = write_report(run_folder)
    assert ("Use it" in page.read_text("utf-8")) is shown
    assert (f'load_winner("{run_folder}")' in summary.read_text("utf-8")) is shown
