"""Every command: with --json one object, with --quiet nothing on standard error, and without either the next command.

The cheapest input of each; the commands that need a base, with the tiny one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainkit.cli import COMMANDS
from tests.cli.command import domainkit
from tests.cli.test_commands import SMALL, rows, write

Words = list[Any]
QUIET = ("--quiet", "--json")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, tiny_base: str) -> dict[str, Any]:
    """Rows, documents, a run of two models that need no base, and an adapter."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "docs").mkdir()
    (folder / "docs" / "a.md").write_text("# Boxes\n\nThe red box is on shelf 3.\n", encoding="utf-8")
    train, test = write(folder / "train.jsonl", rows(16)), write(folder / "test.jsonl", rows(24, 100))
    run, adapter = folder / "run", folder / "adapter"
    words = ["compare", "--train", train, "--task", test, "--variants", "trivial,classical", "latency_items=0"]
    made = {"compare": domainkit(*words, "--out", run, *QUIET)}
    words = ["train", "--data", train, "--base", tiny_base, "--out", adapter, "epochs=1", *SMALL[:1]]
    made["train"] = domainkit(*words, *QUIET)
    return {"train": train, "test": test, "docs": folder / "docs", "run": run, "adapter": adapter, "made": made}


RUNS: dict[str, Callable[[dict[str, Any], Path], Words]] = {
    "check": lambda d, out: [d["train"]],
    "ingest": lambda d, out: [d["docs"], "--out", out / "corpus.jsonl", "--workers", 1],
    "split": lambda d, out: [d["train"], "--out", out / "rows"],
    "train": lambda d, out: [],
    "ask": lambda d, out: ["--adapter", d["adapter"], "--max-tokens", 2, "say red"],
    "compare": lambda d, out: [],
    "report": lambda d, out: [d["run"]],
    "gate": lambda d, out: [d["run"], "--against", d["run"], "--margin", 20],
    "pack": lambda d, out: [d["run"], "--variant", "classical", "--out", out / "pack"],
    "methods": lambda d, out: [],
    "doctor": lambda d, out: [],
    "watch": lambda d, out: [out / "watched", "--run", d["run"]],
    "init": lambda d, out: [d["docs"].parent, "--yes", "--force"],
    "export": lambda d, out: [d["adapter"], "--to", "vllm"],
}
"""The words of a run that ends by itself, of each command that is cheap; train and compare run once, in `desk`."""
REFUSED: dict[str, Callable[[dict[str, Any], Path], Words]] = {
    "serve": lambda d, out: [d["run"]],
    "review": lambda d, out: [d["run"]],
    "ask": lambda d, out: ["--adapter", d["adapter"]],
}
"""Runs that have no result."""
NEED_MORE = {
    "make": "a writer",
    "distil": "a teacher: tests/distillation",
    "prefer": "TRL",
    "merge": "a whole base: tests/cli/adapters/test_merge.py",
    "leave": "an incumbent",
    "run": "tests/cli/project/test_run.py",
}


def test_no_command_is_forgotten() -> None:
    assert {*RUNS, *REFUSED, *NEED_MORE} == set(COMMANDS)


@pytest.mark.parametrize("name", RUNS)
def test_json_is_one_object_and_quiet_is_quiet(name: str, desk: dict[str, Any], tmp_path: Path) -> None:
    done = desk["made"].get(name) or domainkit(name, *RUNS[name](desk, tmp_path), *QUIET)
    found = json.loads(done.stdout)
    assert (found["command"], found["exit_code"]) == (name, done.returncode)
    assert done.stderr == ""
    assert found["result"]
    assert set(found["result"]) <= documented(name), "docs/command-line.md names every key"
    assert all(line.startswith("domainkit ") for line in found["next"])


def documented(name: str) -> set[str]:
    """The keys of a command's result on the page."""
    page = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")
    [keys] = [
        keys for names, keys in re.findall(r"^\| ([a-z, ]+) \| (.+) \|$", page, re.M) if name in names.split(", ")
    ]
    return set(re.findall(r"\w+", keys))


@pytest.mark.parametrize("name", REFUSED)
def test_json_is_refused_where_there_is_no_result(name: str, desk: dict[str, Any], tmp_path: Path) -> None:
    done = domainkit(name, *REFUSED[name](desk, tmp_path), "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["where"], error["next_step"]) == (2, "--json", "leave --json out")
    assert f"error: --json: {error['what']}" in done.stderr


@pytest.mark.parametrize("name", ["check", "split", "pack"])
def test_a_command_ends_with_the_next_one(name: str, desk: dict[str, Any], tmp_path: Path) -> None:
    last = domainkit(name, *RUNS[name](desk, tmp_path)).stdout.rstrip().splitlines()[-1]
    assert "domainkit " in last
