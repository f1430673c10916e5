"""domainkit run does all of it, and a second time only what has changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from domainkit.cli.project.run import _held
from domainkit.errors import MachineError
from domainkit.project.config import Project
from domainkit.storage.locks import hold_folder
from tests.cli.command import domainkit
from tests.project.test_look import ROWS, file


def small_folder(folder: Path, base: str) -> Path:
    """A few rows and documents, a run.toml of init, and settings under which a tiny base trains in a moment."""
    rows = "".join(f"say {('red', 'blue')[i % 2]} {i},{('red', 'blue')[i % 2]}\n" for i in range(40))
    file(folder, "faq.csv", f"question,answer\n{rows}")
    file(folder, "m/a.md", "# Colours\n\nRed or blue.")
    assert domainkit("init", folder, "--yes").returncode == 0
    text = (folder / "run.toml").read_text(encoding="utf-8")
    text = text.replace(
        'base = "builtin:smollm2-135m"', f'base = "{base}"\nvariants = ["classical", "few-shot", "tuned"]'
    )
    text = text.replace("\n[fit]", "\n[fit]\nmethod.rank = 4").replace("epochs = 3", "epochs = 1")
    return file(folder, "run.toml", 'quantization = "none"\nlatency_items = 0\nmax_tokens = 4\n' + text)


def test_a_run_goes_on_and_names_what_has_changed(tiny_base: str, tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    small_folder(folder, tiny_base)
    first = domainkit("run", folder)
    assert first.returncode == 0, first.stderr
    for said in (
        "check      faq.csv: 40 examples",
        "documents  1 document, ",
        "split      by label",
    ):
        assert said in first.stdout
    assert "train 32; test 8 rows" in first.stdout
    assert f"Open {folder / 'run' / 'report.html'} in a browser" in first.stdout
    for command in ("ask --run", "review", "pack", "run"):
        assert f"domainkit {command} {folder}" in first.stdout
    answers = (folder / "run" / "rows.jsonl").read_text(encoding="utf-8")
    [adapter] = (folder / "run" / "adapters").iterdir()

    moved = folder.rename(tmp_path / "moved")
    again = domainkit("run", moved)
    assert "changed    nothing since the last run: what is finished is kept" in again.stdout
    assert "rows, in" in again.stdout
    assert "as in the last run" in again.stdout
    assert (moved / "run" / "rows.jsonl").read_text(encoding="utf-8") == answers
    assert [p.name for p in (moved / "run" / "adapters").iterdir()] == [adapter.name]

    run_toml = moved / "run.toml"
    run_toml.write_text(run_toml.read_text(encoding="utf-8").replace("epochs = 1", "epochs = 2"), encoding="utf-8")
    changed = domainkit("run", moved)
    assert "changed    run.toml, fit.epochs: was 1, is 2" in changed.stdout
    assert "As in the earlier run of 20" in changed.stdout or "Other than in the earlier run of 20" in changed.stdout
    assert len(list((moved / "run" / "adapters").iterdir())) == 2
    kept = [json.loads(line)["variant"] for line in answers.splitlines()]
    assert (moved / "run" / "rows.jsonl").read_text(encoding="utf-8").startswith(answers)
    assert "few-shot" in kept


def test_faulty_rows_stop_it_before_anything_is_written(tmp_path: Path) -> None:
    file(tmp_path, "faq.csv", ROWS + "why,\n")
    file(tmp_path, "run.toml", 'rows = "faq.csv"\n')
    done = domainkit("run", tmp_path)
    assert done.returncode == 2
    assert "faq.csv:4: " in done.stderr
    assert not (tmp_path / "run").exists()


def test_one_run_at_a_time(tmp_path: Path) -> None:
    file(tmp_path, "faq.csv", ROWS)
    file(tmp_path, "run.toml", 'rows = "faq.csv"\n')
    held = hold_folder(str(tmp_path / "run"))
    assert held is not None
    done = domainkit("run", tmp_path)
    os.close(held)
    assert done.returncode == 2
    said = "run: another run is writing here\n  next: wait for it to end, or choose another 'out' in run.toml"
    assert said in done.stderr


def test_a_folder_that_cannot_be_written_is_named_with_what_helps(tmp_path: Path) -> None:
    with pytest.raises(MachineError) as caught, _held(Project(tmp_path, Path("/proc/desk"), {})):
        pass
    assert str(caught.value) == (
        "/proc/desk: cannot be written: permission denied\n"
        "  next: copy the folder to where you may write, or name such a folder as 'out' in run.toml"
    )
