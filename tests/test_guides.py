"""Each guide works from beginning to end: its shell lines and Python blocks run in order, on few rows and a tiny base.

A fence below a comment `<!-- not run: REASON -->` is left out; tests/test_docs.py checks its options.
"""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest

from domainkit.adapters.methods import METHODS
from domainkit.comparison.ladder import VARIANTS
from domainkit.corpus.readers import READERS
from domainkit.evaluation.metrics import METRICS
from domainkit.training.sweep.grid import cells, parse_grid
from tests.cli.command import domainkit

ROOT = Path(__file__).resolve().parents[1]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
FENCE = re.compile(r"^(?:<!-- (not run: .+) -->\n)?```(\w+)\n(.*?)^```$", re.M | re.DOTALL)
LOADED = {"quick-start.md": "tuned-context", "hand-over.md": "classical"}
"""The variant in place of the winner: so few questions show none."""
EXIT_CODES = {"domainkit check examples/office/questions.csv": 2}
"""Of lines that end in an error, which the page explains."""
RAN: set[str] = set()
"""All guides run in one folder, and a line that several have runs once."""


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples with a few rows each, and the beginnings of a few documents: a tiny base reads letter by letter."""
    folder = tmp_path_factory.mktemp("guides") / "examples"
    for file in (ROOT / "examples" / "tallowmere").glob("*.json*"):
        rows = 20 if file.stem == "routing_test" else 8 if "train" in file.name else 2  # a watch needs 20 answers
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        write(folder / "tallowmere" / file.name, "".join(lines[:rows] if file.suffix == ".jsonl" else lines))
    for article in sorted((ROOT / "examples" / "tallowmere" / "articles").iterdir())[:6]:
        write(folder / "tallowmere" / "articles" / article.name, article.read_text(encoding="utf-8")[:200])
    table = (ROOT / "examples" / "office" / "questions.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    write(folder / "office" / "questions.csv", "".join([*table[:9], table[89]]))
    (folder / "office" / "handbook").mkdir()
    for name in ("billing.pdf", "stings.docx"):
        shutil.copy(ROOT / "examples" / "office" / "handbook" / name, folder / "office" / "handbook")
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.real
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("guide", GUIDES, ids=lambda page: page.stem)
def test_a_guide_runs_from_beginning_to_end(
    guide: Path, examples: Path, tiny_base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(examples.parent)
    fences = FENCE.findall(guide.read_text(encoding="utf-8"))
    names: dict[str, object] = {"__name__": "guide"}
    ran = 0
    for left_out, language, text in fences:
        if left_out:
            continue
        if text == "pip install -e .\n":
            installed_here(monkeypatch)
        elif language == "sh":
            for line in (line for line in text.splitlines() if line.startswith("domainkit ")):
                ran += 1
                if line in RAN:
                    continue
                done = domainkit(*small(line, guide.name, tiny_base))
                assert done.returncode == EXIT_CODES.get(line, 0), f"{line}\n{done.stdout}{done.stderr}"
                RAN.add(line)
        elif text.startswith("# ") and (named := re.match(r"# ([\w.]+)\n", text)):
            with Path(named[1]).open("a", encoding="utf-8") as file:
                file.write(text.removeprefix(named[0]))
        elif language == "python":
            exec(compile(small_block(text, guide.name, tiny_base), guide.name, "exec"), names)
            ran += 1
    assert ran


def installed_here(patch: pytest.MonkeyPatch) -> None:
    """The project in this folder, as an installation would leave it: on the path, with its entry points."""
    for table in (METRICS, VARIANTS, READERS, METHODS):
        assert "rule" not in table  # its lines are read by now, and come back at the end
        patch.delitem(vars(table), "_lines")
    groups = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in groups.items()]
    facts = Path("installed/desk_extras-1.0.dist-info")
    write(facts / "entry_points.txt", "".join(lines))
    write(facts / "METADATA", "Metadata-Version: 2.1\nName: desk-extras\nVersion: 1.0\n")
    shutil.move("desk_extras.py", "installed")
    patch.syspath_prepend(Path("installed").absolute())


def small(line: str, page: str, base: str) -> list[str]:
    """The command's words, for a tiny base that reads letter by letter: short passages, answers of four tokens."""
    line = re.sub(r"passage_words=\d+", "passage_words=16", line)
    words = [base if word == "builtin:smollm2-135m" else word for word in shlex.split(line, comments=True)[1:]]
    command = words[0]
    if command in ("compare", "train") and not {"--base", "--adapter"} & set(words):
        words += ["--base", base]
    if command == "compare":
        words += ["latency_items=0", "max_tokens=4", *([] if "retriever=" in line else ["retriever=lexical"])]
    if command == "ask" and "--run" not in words:
        words += ["--max-tokens", "4"]
    elif command in ("ask", "pack", "gate") and page in LOADED:
        words += ["--variant", LOADED[page]]
    return words


def small_block(text: str, page: str, base: str) -> str:
    text = text.replace('"builtin:smollm2-135m"', repr(base))
    if page in LOADED:
        text = text.replace("load_winner(", f'load_variant(name="{LOADED[page]}", source=')
        text = text.replace("load_winner", "load_variant")
        text = re.sub(r"(watch\(.*?)\)", rf'\1, variant="{LOADED[page]}")', text)
    return text


def test_the_grids_of_the_guides_can_be_trained() -> None:
    grids = [text for page in GUIDES for _, _, text in FENCE.findall(page.read_text("utf-8")) if "[[grid]]" in text]
    assert grids
    for grid in grids:
        assert len(cells(parse_grid(tomllib.loads(grid)), {})) > 1


def test_files_that_a_guide_names_are_there() -> None:
    named = {
        (page.name, name)
        for page in GUIDES
        for name in re.findall(r"\bexamples/[\w./-]*[\w/]", page.read_text(encoding="utf-8"))
    }
    assert named
    written = "examples/office/run"  # run.toml of init, and what a run writes
    assert not [found for found in named if not (ROOT / found[1]).exists() and not found[1].startswith(written)]
