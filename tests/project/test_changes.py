"""What has changed since the last run is named, with what it means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from domainkit.project.changes import RECORD, changes, keep, last_start, started
from tests.project.test_look import ROWS, file
from tests.project.test_rows import project


def test_files_and_settings_are_compared_with_the_last_start(tmp_path: Path) -> None:
    of = replace(
        project(tmp_path, rows=(file(tmp_path, "faq.csv", ROWS),)), settings={"rows": "faq.csv", "fit.epochs": 3}
    )
    assert last_start(of) is None
    first = started(of)
    keep(first, of.out)
    assert changes(first, started(of)) == []
    file(tmp_path, "faq.csv", ROWS + "who,me\n")
    now = started(replace(of, settings={"rows": "faq.csv", "fit.epochs": 1, "shots": 4}))
    before = last_start(of)
    assert before == first
    said = changes(before, now)
    assert said[0].startswith("faq.csv has changed: rows are divided and adapters trained anew")
    assert said[1:] == ["run.toml, fit.epochs: was 3, is 1", "run.toml, shots: was not there, is 4"]


def test_a_damaged_record_says_nothing(tmp_path: Path) -> None:
    of = project(tmp_path, rows=(file(tmp_path, "faq.csv", ROWS),))
    file(tmp_path, f"run/{RECORD}", "{")
    assert last_start(of) is None


def test_a_change_names_the_file_of_several(tmp_path: Path) -> None:
    files = tuple(file(tmp_path, name, ROWS) for name in ("a.csv", "b.csv"))
    of = replace(project(tmp_path, rows=files), settings={"rows": ["a.csv", "b.csv"]})
    before = started(of)
    file(tmp_path, "b.csv", ROWS + "another,one\n")
    [change] = changes(before, started(of))
    assert change.startswith("b.csv has changed: rows are divided anew")
    more = replace(of, rows=files[:1], settings={"rows": "a.csv"})
    assert changes(before, started(more)) == ["run.toml, rows: was ['a.csv', 'b.csv'], is 'a.csv'"]
