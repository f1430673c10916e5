"""Documentation runs: README blocks are executed, its tables are those of the results, its tree is the tree."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from benchmarks.pictures import FILES, medquad_ghr
from benchmarks.tables import PAGES, filled
from domainkit.report.charts.svg import Fit
from tests.cli.command import domainkit

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = {page.name: page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md"))}
BLOCKS = re.findall(r"```python\n(.*?)```", README + DOCS["chat-model.md"], re.DOTALL)
_GUIDES = [page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs" / "guides").glob("*.md"))]
_SHELL = re.findall(r"```(?:sh|bash|console)\n(.*?)```", "\n".join([README, *DOCS.values(), *_GUIDES]), re.DOTALL)
COMMANDS = sorted(set(re.findall(r"^\$? ?(domainkit [^\n#]*)", "\n".join(_SHELL), re.M)))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_tables_are_made_from_the_results(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<!-- table:" in text
    assert filled(text) == text, "run: python -m benchmarks.tables"


@pytest.mark.parametrize("fit", FILES)
def test_the_picture_is_drawn_from_the_results(fit: Fit) -> None:
    """For wide and for narrow screens; a phone is 400 px wide, and the text of a wider drawing is small there."""
    picture = medquad_ghr(fit).svg
    assert f'"{FILES[fit].relative_to(ROOT).as_posix()}"' in README
    assert FILES[fit].read_text(encoding="utf-8") == picture + "\n", "run: python -m benchmarks.tables"
    assert (int(re.findall(r'width="(\d+)"', picture)[0]) <= 400) == (fit == "narrow")


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


@cache
def help_of(command: str) -> str:
    known = domainkit(command, "--help")
    assert known.returncode == 0, known.stderr
    return known.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_name_real_options(command: str) -> None:
    name = command.split()[1]
    help_of(name)
    for option in re.findall(r"--[a-z-]+", command):
        assert option in help_of(name), f"{option} is not an option of domainkit {name}"


@pytest.mark.real
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.strip().splitlines()[0][:40])
def test_python_blocks_run(
    block: str, tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a few rows, training a tiny base. Their comparison is too small for a winner, so its variant is named.

    In this process: a new one for each block would import torch each time.
    """
    desk = small_desk(tmp_path / "desk")
    small = block.replace('"examples/tallowmere"', repr(str(desk))).replace('"runs/', f'"{tmp_path}/')
    small = small.replace("load_winner(", 'load_variant(name="tuned-context", source=').replace(
        "load_winner", "load_variant"
    )
    small = small.replace("epochs=2", "epochs=1").replace('"builtin:smollm2-135m"', repr(tiny_base))
    monkeypatch.chdir(ROOT)
    exec(compile(small, "the block", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.strip()


def small_desk(folder: Path) -> Path:
    """The sample domain with a handful of rows and the beginnings of a few articles."""
    (folder / "articles").mkdir(parents=True)
    for article in sorted((ROOT / "examples" / "tallowmere" / "articles").iterdir())[:6]:
        beginning = article.read_text(encoding="utf-8")[:200]  # a tiny base reads letter by letter
        (folder / "articles" / article.name).write_text(beginning, encoding="utf-8")
    for name, rows in (("answers_train", 4), ("answers_test", 1)):
        lines = (ROOT / "examples" / "tallowmere" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        (folder / f"{name}.jsonl").write_text("\n".join(lines[:rows]) + "\n", encoding="utf-8")
    return folder


ARCHITECTURE = DOCS["architecture.md"]
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


@pytest.mark.real
def test_the_handed_over_winner_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of docs/handover.md that load a winner, on a run of a model that needs no base."""
    from domainkit import compare
    from domainkit.winner.pack import pack

    rows = [{"input": f"{'late parcel' if i % 2 else 'pay invoice'} {i}", "target": str(i % 2)} for i in range(60)]
    monkeypatch.chdir(tmp_path)
    compare(rows[:30], ["classical"], "runs/first", train=rows[30:], kind="label", latency_items=0)
    pack("runs/first", "support-desk", variant="classical")
    blocks = [b for b in re.findall(r"```python\n(.*?)```", DOCS["handover.md"], re.DOTALL) if "import load_" in b]
    assert blocks
    for block in blocks:
        exec(block, {})


def test_the_review_page_states_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The blocks of docs/review-desk.md, on a run with a few reviews."""
    from tests.review.reviewed_runs import different, judged, saved, two_variants

    results = two_variants(different(20))
    (tmp_path / "runs" / "desk").mkdir(parents=True)
    saved(tmp_path / "runs" / "desk", results, judged(results, ["10"] * 12))
    monkeypatch.chdir(tmp_path)
    [block] = re.findall(r"```python\n(.*?)```", DOCS["review-desk.md"], re.DOTALL)
    exec(block, {})
    assert capsys.readouterr().out.startswith("People confirm it: tuned is better than few-shot, +100.0 points (")


@pytest.mark.real
@pytest.mark.parametrize("page", ["models.md", "distilling.md"])
def test_the_blocks_on_several_models_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the one that needs a GPU."""
    blocks = [b for b in re.findall(r"```python\n(.*?)```", DOCS[page], re.DOTALL) if 'backend="vllm"' not in b]
    assert blocks
    for i, block in enumerate(blocks):
        (tmp_path / str(i)).mkdir()
        monkeypatch.chdir(tmp_path / str(i))
        exec(block, {})
