"""Every notebook of examples/ runs from top to bottom at its small settings, and is stored with its outputs.

A notebook has one cell tagged `parameters` with plain assignments; one of them is `folder`, the output folder.
`metadata.domainkit.small` has the values that make a run take seconds. The tests set a `base` parameter to the tiny
base, and a `data` parameter to a small folder in the layout of the real one (small_data.py). The full-size settings are
checked without a run.
"""

from __future__ import annotations

import ast
import io
import json
import re
import runpy
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from benchmarks.decision import banking77, medquad
from domainkit import Results, TrainConfig
from domainkit.adapters.folder import WEIGHTS
from domainkit.training.config import parse_config
from tests.cli.command import Done
from tests.examples import run_notebook
from tests.examples.small_data import WRITERS

ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(__file__).with_name("run_notebook.py")
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


def run(path: Path, folder: Path, base: str, *words: str) -> Done:
    """The notebook from top to bottom at its small settings, writing to `folder`."""
    notebook = read(path)
    known = parameters(notebook)
    assert "folder" in known, "a notebook says in its parameters where it writes"
    small = {**notebook["metadata"].get("domainkit", {}).get("small", {}), "folder": str(folder / "work")}
    if "base" in known:
        small.setdefault("base", base)
    if "data" in known:
        small["data"] = str(WRITERS[path.stem](folder / "data"))
    (folder / "work").mkdir(exist_ok=True)
    given = [f"{name}={json.dumps(value)}" for name, value in small.items()]
    return start(path, *given, *words)


def start(path: Path, *words: str) -> Done:
    """run_notebook.py in this process: a new one would import torch each time."""
    out, err, code = io.StringIO(), io.StringIO(), 1
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("default")
        patch.chdir(ROOT)
        patch.delenv("BENCH_DATA", raising=False)
        patch.setattr(sys, "argv", [str(RUNNER), str(path), *words])
        patch.setattr(sys, "path", list(sys.path))
        try:
            code = run_notebook.main()
        except SystemExit as e:  # as the interpreter ends: with a code, or with a line and 1
            print(e.code, file=sys.stderr)
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """One folder for each notebook, so that a second test finds what the first one left."""
    return cache(lambda name: tmp_path_factory.mktemp(name))


@by_name
def test_it_runs(path: Path, folder_of: Callable[[str], Path], tiny_base: str) -> None:
    before = path.read_bytes()
    ran = run(path, folder_of(path.stem), tiny_base)
    assert ran.returncode == 0, ran.stderr[-4000:]
    assert path.read_bytes() == before, "a run without --save changes nothing"
    made = {f.parent.name: Results.load(f) for f in sorted((folder_of(path.stem) / "work").rglob("results.json"))}
    assert made, "it compares"
    for results in made.values():
        assert results.verdict.headline in ran.stdout, "the decision is printed from the verdict"
        assert [v.name for v in results.variants if v.failures] == []
    CHECKS.get(path.stem, lambda *_: None)(made, ran.stdout)


def check_support_desk(made: dict[str, Results], printed: str) -> None:
    assert sorted(made) == ["answers", "routing"]
    assert re.search(r"solved examples +120 +120\n", printed)
    answered = re.search(r"answered by some training row +(\d+)% +(\d+)%", printed)
    assert answered, "the share of answers that train holds"
    assert int(answered[1]) > int(answered[2]), "queues are taught, facts are not"
    for job, message in (("routing", "two of my jars arrived cracked"), ("answers", "what does code T-14 mean?")):
        shipped = re.search(rf"^{made[job].verdict.choice}: '{re.escape(message)}' -> (['\"])(.*)\1$", printed, re.M)
        assert shipped, "the winner answers"
        assert job == "answers" or shipped[2] in json.loads((ROOT / "examples/tallowmere/labels.json").read_text())


def check_banking77(made: dict[str, Results], printed: str) -> None:
    curves = {c.variant: [p.n for p in c.points] for c in made["compare"].curves}
    assert curves == {"classical": [9, 18, 36, 72], "tuned": [18, 36, 72]}
    by_labels = re.findall(r"^(\d+(?: \(forecast\))?) .*  ([a-z—]+)(?:, within the intervals)?$", printed, re.M)
    sizes = ["9", "18", "36", "72", "144 (forecast)", "288 (forecast)"]
    assert [n for n, _ in by_labels] == sizes
    assert {higher for _, higher in by_labels[1:]} <= {"classical", "tuned"}
    [classical] = [v for v in made["compare"].variants if v.name == "classical"]
    assert classical.metrics["label_accuracy"].value > 0.5, "the words of these messages tell their intents"
    never = re.findall(r"tuned never becomes cheaper than (classical|trivial)", printed)
    assert len(never) == 3, "at each of three price lists"


def check_documents(made: dict[str, Results], printed: str) -> None:
    rows = {v.name: v for v in made["compare"].variants}
    for name in ("classical", "tuned"):
        assert rows[name].groups["gene"].value == 0, "a gene that no training row names cannot be known"
    assert rows["classical"].groups["inheritance"].value == 1, "habit is right where one answer is"
    assert re.search(r"^gene +2 +6 +0% ", printed, re.M)
    assert re.search(r"^inheritance +2 +3 +100% ", printed, re.M)
    assert rows["oracle-rag"].retrieval["hit@1"].value == 1
    for claim in ("gene: tuned − habit", "oracle-rag − rag", "gene: tuned-context − tuned-rag"):
        assert re.search(rf"^{claim} .*(BETTER|WORSE|EQUIVALENT|CANNOT TELL YET)$", printed, re.M), claim


CHECKS = {"support_desk": check_support_desk, "banking77": check_banking77, "documents": check_documents}


def test_what_is_done_is_not_done_again(folder_of: Callable[[str], Path], tiny_base: str) -> None:
    folder = folder_of("banking77")
    path = ROOT / "examples" / "banking77.ipynb"
    if not (folder / "work" / "compare" / "results.json").exists():
        assert run(path, folder, tiny_base).returncode == 0
    before = contents(folder / "work")
    again = run(path, folder, tiny_base)
    assert again.returncode == 0, again.stderr[-4000:]
    assert "step" not in again.stderr, "nothing is trained"
    assert contents(folder / "work") == before, "and nothing is asked"


def contents(work: Path) -> dict[str, tuple[int, bytes]]:
    """Every answer and every adapter's weights, with the time of their writing."""
    return {
        str(f.relative_to(work)): (f.stat().st_mtime_ns, f.read_bytes())
        for f in work.rglob("*")
        if f.name in ("rows.jsonl", "latency.jsonl", WEIGHTS)
    }


@pytest.mark.parametrize("name", WRITERS)
def test_without_its_data_it_is_skipped_saying_so(name: str) -> None:
    path = ROOT / "examples" / f"{name}.ipynb"
    before = path.read_bytes()
    ran = start(path, "--save")
    assert ran.returncode == 1
    assert ran.stderr.strip().startswith("skipped: no ")
    assert "set BENCH_DATA" in ran.stderr
    assert path.read_bytes() == before, "a skipped notebook keeps its outputs"


def keywords(notebook: dict[str, Any], function: str) -> dict[str, Any]:
    """The plain values given by name wherever the notebook calls `function`."""
    found: dict[str, Any] = {}
    for cell in code_of(notebook):
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function:
                found |= {k.arg: k.value.value for k in node.keywords if k.arg and isinstance(k.value, ast.Constant)}
    return found


def config(*settings: str) -> TrainConfig:
    return parse_config(dict(s.removeprefix("fit.").split("=") for s in settings))


def test_the_support_desk_is_the_demo() -> None:
    """The same settings, so that what `make demo-full` has trained and answered is used."""
    notebook = read(ROOT / "examples" / "support_desk.ipynb")
    known, demo = parameters(notebook), runpy.run_path(str(ROOT / "examples" / "demo.py"))["TASKS"]
    assert known["variants"] == {job: task["variants"] for job, task in demo.items()}
    fixed = keywords(notebook, "TrainConfig")
    for job, task in demo.items():
        assert TrainConfig(base=known["base"], epochs=known["epochs"][job], **fixed) == task["fit"]
    cut = {k: v for k, v in demo["answers"].items() if k in ("passages", "passage_words")}
    assert known["passages"] == cut
    assert (known["solved"], known["questions"], known["folder"]) == (None, None, "runs/demo-full")
    assert {"shots": 4, "latency_items": 3}.items() <= keywords(notebook, "compare").items()


def test_the_notebooks_on_real_data_are_the_benchmarks() -> None:
    first, second = (read(ROOT / "examples" / f"{name}.ipynb") for name in WRITERS)
    known, nf4 = parameters(first), "quantization=nf4"
    assert known["variants"] == banking77.VARIANTS.split(",")
    assert TrainConfig(base=known["base"], quantization="nf4", **known["settings"]) == config(nf4, *banking77.SETTINGS)
    known = parameters(second)
    assert known["per_kind"] is None
    assert known["variants"] == medquad.VARIANTS.split(",")
    assert TrainConfig(base=known["base"], quantization="nf4", **known["settings"]) == config(nf4, *medquad.SETTINGS)
    assert TrainConfig(base=known["base"], quantization="nf4", **known["in_context"]) == config(*medquad.CONTEXT)
    assert known["passages"] == {k: int(v) for k, v in (p.split("=") for p in medquad.PASSAGES)}
    assert [parameters(n)["folder"] for n in (first, second)] == ["runs/bench/banking77", "runs/bench/medquad"]


def test_tables_and_pictures_are_kept_as_a_notebook_shows_them(tmp_path: Path) -> None:
    source = [
        "class Both:\n",
        "    _repr_html_ = lambda self: '<b>1</b>'\n",
        "    _repr_svg_ = lambda self: None\n",
        "\n",
        "Both()",
    ]
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": source, "outputs": []}
    path = tmp_path / "shown.ipynb"
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    assert start(path, "--save").returncode == 0
    [shown] = read(path)["cells"][0]["outputs"]
    assert sorted(shown["data"]) == ["text/html", "text/plain"], "what is None is not kept"
    assert shown["data"]["text/html"] == ["<b>1</b>"]


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
    runner = [sys.executable, str(RUNNER), str(path)]
    good, stranger = (subprocess.run([*runner, *more], capture_output=True, text=True) for more in ([], ["m=2"]))
    assert (good.returncode, good.stdout) == (0, "1.0\n")
    assert (stranger.returncode, "no such parameter: m" in stranger.stderr) == (1, True)
    path.write_text(path.read_text().replace("1 / n", "1 / 0"))
    bad = subprocess.run(runner, capture_output=True, text=True)
    assert bad.returncode == 1
    assert "cell 1 failed" in bad.stderr
