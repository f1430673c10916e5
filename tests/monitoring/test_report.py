"""The report of a watch: terminal and Markdown say the same, and a label stays text."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from domainkit.monitoring.findings import WatchFindings, find_changes
from domainkit.monitoring.measures import Measures
from domainkit.monitoring.reference import make_reference
from domainkit.monitoring.report import print_findings, watch_markdown
from domainkit.monitoring.state import State, save_reference, save_state
from domainkit.monitoring.tally import Tally
from domainkit.results.schema import Results
from tests.monitoring.watched_runs import WordVectors, label_run


def found_in(folder: Path, label: str, results: Results, n: int = 200) -> WatchFindings:
    reference = make_reference(results, None, WordVectors(), "RUN")
    tally = Tally(reference, State.new(len(reference.series) + 1))
    for _ in range(n):
        tally.add(Measures(label=label, refused=False))
    save_reference(folder, reference)
    save_state(folder, tally.to_state())
    return find_changes(folder)


def shown(found: WatchFindings) -> str:
    out = io.StringIO()
    print_findings(found, Console(file=out, width=160, color_system=None))
    return out.getvalue()


def test_both_say_what_changed_since_when_and_what_to_do(tmp_path: Path) -> None:
    found = found_in(tmp_path, "rent", label_run())
    for text in (shown(found), watch_markdown(found)):
        assert "Changed since about" in text
        assert "answers 'rent'" in text
        assert "100.0 of 200" in text
        assert "only labels can say" in text
        assert "at most 5 % probability in 5,000 conversations" in text
    assert "next: " in shown(found)


def test_labels_stay_text(tmp_path: Path) -> None:
    hostile = "<img src=x>|[red]\x1b[2J"
    run = label_run()
    items = tuple(
        i.model_copy(
            update={
                "target": hostile,
                "references": (hostile,),
                "answers": {"tuned": i.answers["tuned"].model_copy(update={"text": hostile if k < 150 else "rent"})},
            }
        )
        for k, i in enumerate(run.items)
    )
    found = found_in(tmp_path, "", run.model_copy(update={"items": items}))
    assert "<img" not in watch_markdown(found)
    assert "\x1b" not in shown(found)
    assert "[red]" in shown(found)


def test_an_empty_watch_says_how_to_begin(tmp_path: Path) -> None:
    found = found_in(tmp_path, "", label_run(), n=0)
    assert found.headline == "Nothing has been counted yet."
    assert any(f'watch("{tmp_path}")' in step for step in found.next_steps)
    assert any("domainkit serve RUN --watch" in step for step in found.next_steps)
