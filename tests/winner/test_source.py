"""What is no run folder is named as what it is, with the next step."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from domainkit.errors import ConfigError
from domainkit.winner.source import open_source

GOLDEN = Path(__file__).parents[1] / "laws" / "goldens"
RECORD = {
    "format": "domainkit.variants/1",
    "created": "2026",
    "task": "t",
    "kind": "label",
    "settings": {},
    "variants": {},
    "versions": {},
}


def folder_with(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / name.replace("_", ".", 1)).write_text(text, encoding="utf-8")
    return tmp_path


def error_of(source: Any) -> str:
    with pytest.raises(ConfigError) as error:
        open_source(source).results()
    return str(error.value)


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    assert "no such folder\n  next: name the folder that `domainkit compare --out`" in error_of(tmp_path / "nowhere")
    assert "is not a run folder\n  next: name the folder" in error_of(tmp_path)
    assert "test_source.py: is a file\n  next: name the folder" in error_of(__file__)
    assert "None is not the path of a folder\n  next: name the folder" in error_of(None)
    assert "is an adapter, not a run\n  next: DomainLLM(adapter=" in error_of(GOLDEN / "adapter")
    unfinished = folder_with(tmp_path, rows_jsonl="")
    assert "the comparison in it has not finished\n  next: run the same" in error_of(unfinished)


def test_a_run_of_an_earlier_version(tmp_path: Path) -> None:
    said = error_of(GOLDEN / "run")
    assert "an earlier version wrote this run, without variants.json: its variants cannot be built again" in said
    assert "next: run the same `domainkit compare` again on this folder: answers that are there are kept" in said
    portfolio = {"schema_version": "domainkit.portfolio/1", "title": "t", "comparisons": []}
    assert "holds several comparisons" in error_of(folder_with(tmp_path, results_json=json.dumps(portfolio)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read: the file: invalid json"),
        ("[]", "cannot be read: the file: input should be an object"),
        (json.dumps({**RECORD, "format": "domainkit.variants/2"}), "is of the format 'domainkit.variants/2', and this"),
        (json.dumps({**RECORD, "kind": "song"}), "cannot be read: kind: input should be 'label', 'answer'"),
    ],
)
def test_a_damaged_record(tmp_path: Path, text: str, said: str) -> None:
    message = error_of(folder_with(tmp_path, variants_json=text))
    assert said in message
    assert "variants.json" in message
    assert "\n  next: copy the folder again, or run the same" in message


def test_results_of_another_run(tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "run" / "results.json", tmp_path)
    folder_with(tmp_path, variants_json=json.dumps(RECORD))
    assert "results.json and variants.json are of two different comparisons" in error_of(tmp_path / "results.json")
