"""Documentation runs: README blocks are executed, its tables are those of the results, its tree is the tree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.tables import PAGES, filled

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
DATA, HANDOVER = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("data.md", "handover.md"))
COMMANDS = re.findall(
    r"^\$? ?(domainkit [^\n#]*)",
    "\n".join(re.findall(r"```(?:sh|console)\n(.*?)```", README + DATA + HANDOVER, re.DOTALL)),
    re.M,
)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_tables_are_made_from_the_results(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<!-- table:" in text
    assert filled(text) == text, "run: python -m benchmarks.tables"


def test_the_tree_is_the_tree() -> None:
    block = re.search(r"```text\n(pyproject\.toml.*?)```", README, re.DOTALL)
    assert block, "README has no tree"
    folders: list[tuple[int, str]] = []  # (indentation, path) of the folders that enclose the line
    missing = []
    for line in block[1].splitlines():
        match = re.match(r"( *)([\w./-]+)", line)
        if not match:
            continue
        folders = [f for f in folders if f[0] < len(match[1])]
        path = (folders[-1][1] if folders else "") + match[2]
        if path.endswith("/"):
            folders.append((len(match[1]), path))
        if not (ROOT / path).exists():
            missing.append(path)
    assert not missing


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_name_real_options(command: str) -> None:
    words = command.split()
    known = subprocess.run(
        [sys.executable, "-m", "domainkit", words[1], "--help"], capture_output=True, text=True, cwd=ROOT
    )
    assert known.returncode == 0, known.stderr
    for option in re.findall(r"--[a-z-]+", command):
        assert option in known.stdout, f"{option} is not an option of domainkit {words[1]}"


@pytest.mark.real
@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.strip().splitlines()[0][:40])
def test_python_blocks_run(block: str, tmp_path: Path) -> None:
    ast.parse(block)
    small = block.replace('"runs/', f'"{tmp_path}/').replace("epochs=2", "epochs=0.02")
    assert "runs/" not in small
    run = subprocess.run([sys.executable, "-c", small], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr[-3000:]


ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
STEPS = re.findall(r"^\| \d+ \| `([\w/.]+)` \| `(\w+)` \|", ARCHITECTURE, re.M)


@pytest.mark.parametrize(("file", "name"), STEPS, ids=lambda value: value)
def test_a_step_of_the_walks_is_defined_in_its_file(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}


def test_the_rooms_are_the_folders_with_code() -> None:
    rooms = {room for room in re.findall(r"^\| `([\w/]+)/`", ARCHITECTURE, re.M) if room != "chains"}
    folders = {f.parent.relative_to(ROOT / "domainkit").as_posix() for f in (ROOT / "domainkit").rglob("__init__.py")}
    inside = ("corpus/", "cli/", "adapters/", "training/", "evaluation/", "report/", "synthesis/")  # parts of one room
    assert rooms == {f for f in folders if f != "." and not f.startswith(inside)}


def test_the_glossary_is_about_words_in_use() -> None:
    words = re.findall(r"^\| ([a-z ]+) \|", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.M)[1:]
    code = "\n".join(
        f.read_text(encoding="utf-8").lower() for top in ("domainkit", "chains") for f in (ROOT / top).rglob("*.py")
    )
    assert words
    assert not [word for word in words if word not in code]
