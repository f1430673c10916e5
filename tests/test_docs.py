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
COMMANDS = re.findall(
    r"^\$? ?(domainkit [^\n#]*)", "\n".join(re.findall(r"```(?:sh|console)\n(.*?)```", README, re.DOTALL)), re.M
)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_tables_are_made_from_the_results(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<!-- table:" in text
    assert filled(text) == text, "run: python -m benchmarks.tables"


def test_the_tree_is_the_tree() -> None:
    block = re.search(r"```text\n(pyproject\.toml.*?)```", README, re.DOTALL)
    assert block, "README has no tree"
    folder, missing = "", []
    for line in block[1].splitlines():
        match = re.match(r"( *)([\w./-]+)", line)
        if not match:
            continue
        name = match[2]
        if not match[1]:
            folder = name if name.endswith("/") else ""
        path = name if not match[1] else folder + name
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
        assert option in known.stdout, f"{option} is no option of domainkit {words[1]}"


@pytest.mark.real
@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.strip().splitlines()[0][:40])
def test_python_blocks_run(block: str, tmp_path: Path) -> None:
    ast.parse(block)
    small = block.replace('"runs/', f'"{tmp_path}/').replace("epochs=2", "epochs=0.02")
    assert "runs/" not in small
    run = subprocess.run([sys.executable, "-c", small], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr[-3000:]
