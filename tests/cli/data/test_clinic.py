"""Options of `check` that its clinic does not use are refused by name, not ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.cli.data.clinic import run
from domainkit.errors import ConfigError

NOTHING = {"task": None, "deep": False, "fix": None, "label_next": None, "n": None, "out": None}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"deep": True, "task": Path("t.jsonl")}, r"--task: is not used with --deep\n  next: check against it"),
        ({"n": 5}, r"--n: is used with --label-next alone\n  next: add --label-next ROWS"),
        ({"out": Path("o.csv")}, r"--out: nothing is to be written\n  next: add --deep"),
        ({"deep": True, "fix": Path("f.csv")}, r"--deep and --fix are separate steps"),
    ],
)
def test_an_option_that_would_be_ignored_is_an_error(options: dict, error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        run(Path("rows.jsonl"), None, **{**NOTHING, **options})


def test_without_options_of_its_own_it_does_nothing() -> None:
    assert run(Path("rows.jsonl"), None, **NOTHING) is False


def test_without_findings_it_says_that_no_file_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "rows.jsonl"
    said = ["Where is my parcel?", "Can I pay with a card?", "How do I close my account?"]
    rows.write_text("".join(f'{{"input": "{q}", "target": "{q.split()[-1]}"}}\n' for q in said), encoding="utf-8")
    assert run(rows, None, **{**NOTHING, "deep": True, "out": tmp_path / "found.csv"})
    assert f"{tmp_path / 'found.csv'} is not written: there is nothing to accept" in capsys.readouterr().out
    assert not (tmp_path / "found.csv").exists()
