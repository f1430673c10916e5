"""Every notebook of examples/ runs from top to bottom, at the small settings it names for that, and is kept with its outputs.

A notebook has one cell tagged `parameters` (plain assignments, `folder` among them: where it writes), and under
`metadata.domainkit.small` values that make a run take seconds. `base`, where it is a parameter, is the tiny base here.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def code_of(notebook: dict[str, Any], tag: str | None = None) -> list[dict[str, Any]]:
    cells = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    return [c for c in cells if tag is None or tag in c["metadata"].get("tags", ())]


def parameters(notebook: dict[str, Any]) -> dict[str, Any]:
    [cell] = code_of(notebook, "parameters")
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse("".join(cell["source"])).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@by_name
def test_it_is_kept_with_the_outputs_of_a_whole_run(path: Path) -> None:
    notebook = read(path)
    assert notebook["nbformat"] == 4
    assert [c["execution_count"] for c in code_of(notebook)] == list(range(1, len(code_of(notebook)) + 1))
    shown = json.dumps([c["outputs"] for c in code_of(notebook)])
    assert len(shown) > 500, "run: python tests/examples/run_notebook.py NOTEBOOK --save"
    assert '"error"' not in shown
    assert str(Path.home()) not in shown
    assert "/tmp" not in shown


@by_name
def test_it_runs(path: Path, tmp_path: Path, tiny_base: str) -> None:
    notebook = read(path)
    known = parameters(notebook)
    assert "folder" in known, "a notebook says in its parameters where it writes"
    small = {**notebook["metadata"].get("domainkit", {}).get("small", {}), "folder": str(tmp_path)}
    if "base" in known:
        small.setdefault("base", tiny_base)
    runner = [sys.executable, str(Path(__file__).with_name("run_notebook.py")), str(path)]
    before = path.read_bytes()
    ran = subprocess.run(
        [*runner, *(f"{name}={json.dumps(value)}" for name, value in small.items())],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "HF_HUB_OFFLINE": "1"}, timeout=600,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-4000:]
    assert path.read_bytes() == before, "a run without --save changes nothing"


def test_a_failing_cell_is_named(tmp_path: Path) -> None:
    cell = {
        "cell_type": "code",
        "id": "a",
        "metadata": {"tags": ["parameters"]},
        "source": ["n = 1\n", "1 / n"],
        "outputs": [],
    }
    path = tmp_path / "bad.ipynb"
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    runner = [sys.executable, str(Path(__file__).with_name("run_notebook.py")), str(path)]
    good, stranger = (subprocess.run([*runner, *more], capture_output=True, text=True) for more in ([], ["m=2"]))
    assert (good.returncode, good.stdout) == (0, "1.0\n")
    assert (stranger.returncode, "no such parameter: m" in stranger.stderr) == (1, True)
    path.write_text(path.read_text().replace("1 / n", "1 / 0"))
    bad = subprocess.run(runner, capture_output=True, text=True)
    assert bad.returncode == 1
    assert "cell 1 failed" in bad.stderr
