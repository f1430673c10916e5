"""run.toml is read as compare's run file is; an error names the file, the line and the next step."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.cli.project.run_file import read_project
from domainkit.errors import ConfigError
from tests.project.test_look import file

GOOD = """
# a comment: shots = 3
train = "train.csv"
task = "test.csv"
corpus = ["m", "*.pdf"]
map = { input = "a", target = "b" }
prices = "prices.toml"
variants = ["few-shot", "tuned"]
base = "bases/own"
shots = 4

[sample]
test = 50

[fit]
epochs = 2
method.rank = 8

[models]
gpt = "openai:gpt-5-mini"
"""


def test_paths_are_seen_from_the_folder(tmp_path: Path) -> None:
    file(tmp_path, "run.toml", GOOD)
    (tmp_path / "bases" / "own").mkdir(parents=True)
    project = read_project(tmp_path)
    assert (project.train, project.task, project.out) == tuple(tmp_path / n for n in ("train.csv", "test.csv", "run"))
    assert (project.corpus, project.columns) == (("m", "*.pdf"), {"input": "a", "target": "b"})
    assert (project.sample.test, project.split.test) == (50, 0.2)
    options = project.options
    assert (options["prices"], options["base"]) == (str(tmp_path / "prices.toml"), str(tmp_path / "bases/own"))
    assert (options["shots"], options["variants"]) == (4, ["few-shot", "tuned"])
    assert (options["models"], options["fit"].base) == ({"gpt": "openai:gpt-5-mini"}, str(tmp_path / "bases/own"))
    assert (options["fit"].epochs, options["fit"].method_options) == (2, {"rank": 8})
    assert project.settings["fit.method.rank"] == 8
    assert read_project(tmp_path / "run.toml") == project


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("shots = 4", "shot = 4", 10, r"unknown option 'shot'\n  next: did you mean 'shots'\?"),
        ("shots = 4", "shots = 'x'", 10, r"shots='x': .* valid integer"),
        ("epochs = 2", "epoch = 2", 16, r"unknown option 'epoch' \(did you mean 'epochs'\?\)"),
        ("epochs = 2", "epochs = 'a'", 16, r"epochs='a': .* valid number"),
        (
            "test = 50",
            "tests = 50",
            13,
            r"sample: unknown option 'tests' \(did you mean 'test'\?\)\n  next: one of: train, test",
        ),
        ("test = 50", "test = '50'", 13, r"sample: test='50': .* valid integer"),
        ("task = ", "rows = 'x.csv'\ntask = ", 3, r"'train' is given beside 'rows'"),
        ("train = ", "# train = ", 16, r"'fit.epochs' is set, and there are no rows to train on"),
        ('task = "test.csv"', "", None, r"neither 'rows' nor 'task' is given"),
        ("corpus = [", "corpus = [3, ", 5, r"corpus=\[3, .* is neither a path nor a list"),
        ('"openai:gpt-5-mini"', "3", 20, r"models.gpt: 3 is not text"),
        ("base = ", "base = 3 #", 9, r"base=3: .* valid string"),
        ("prices = ", "prices = 3 #", 7, r"prices=3: .* valid string"),
        ("variants = [", "variants = [3, ", 8, r"variants: \[3, .* is not a list of names"),
        ("[sample]\ntest = 50", "[split]\ntest = 0.5", 13, r"'split.test' is set, and no rows are to be divided"),
        ("task = ", "task = 3 #", 4, r"task=3 is not a path"),
        (
            "train = ",
            "rows = 3 #",
            3,
            r"rows=3 is neither a path nor a list of paths\n  next: write rows = \"tickets.csv\"",
        ),
        ("train = ", "rows = ['x', 'x'] #", 3, r"'rows' names a file twice\n  next: name each file once"),
        ("[fit]", "[fit", None, r"is not valid TOML: .*line 15"),
    ],
)
def test_an_error_names_the_line(tmp_path: Path, old: str, new: str, line: int | None, what: str) -> None:
    assert old in GOOD
    path = file(tmp_path, "run.toml", GOOD.replace(old, new, 1))
    where = f"{path}:{line}" if line else str(path)
    with pytest.raises(ConfigError, match=f"^{where}:? {what}"):
        read_project(tmp_path)


def test_a_folder_without_run_toml_is_told_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no run.toml\n  next: write one: domainkit init "):
        read_project(tmp_path)
    with pytest.raises(ConfigError, match=r"there is no such folder\n  next: name the folder in which"):
        read_project(tmp_path / "missing")


def test_rows_may_be_several_files(tmp_path: Path) -> None:
    file(tmp_path, "run.toml", 'rows = ["a.csv", "hf:owner/name"]\n')
    assert read_project(tmp_path).rows == (tmp_path / "a.csv", "hf:owner/name")
    file(tmp_path, "run.toml", 'rows = "a.csv"\n')
    assert read_project(tmp_path).rows == (tmp_path / "a.csv",)
