"""A layer imports itself and lower layers. Heavy libraries have fixed homes. `import domainkit` loads none of them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(p for top in ("domainkit", "chains") for p in (ROOT / top).rglob("*.py"))

# The longest matching prefix decides. A prefix with a final dot is for the modules of a package, not for its __init__.
# 0 stdlib · 1 nouns · 2 pure verbs · 3 torch · 4 langchain-core · 5 chains · 6 comparison, cli.
LAYERS = {
    "domainkit": 0,
    "domainkit.errors": 0,
    "domainkit.visible": 0,
    "domainkit.facts_table": 0,
    "domainkit.registry": 0,
    "domainkit.storage": 0,
    "domainkit.machine": 0,
    "domainkit.hub_connection": 0,
    "domainkit.text": 0,
    "domainkit.library_logs": 0,
    "domainkit.progress": 0,
    "domainkit.retry_after": 0,
    "domainkit.threads": 0,
    "domainkit.own_code": 0,
    "domainkit.messages": 1,
    "domainkit.corpus": 1,
    "domainkit.models": 0,
    "domainkit.models.": 3,
    "domainkit.adapters": 0,
    "domainkit.adapters.folder": 1,
    "domainkit.adapters.": 3,
    "domainkit.training": 0,
    "domainkit.training.config": 1,
    "domainkit.training.": 3,
    "domainkit.export": 0,
    "domainkit.export.": 3,
    "domainkit.inference": 0,
    "domainkit.inference.backend": 1,
    "domainkit.inference.server_url": 1,
    "domainkit.models.thinking": 1,
    "domainkit.inference.": 3,
    "domainkit.evaluation": 1,
    "domainkit.evaluation.metrics": 2,
    "domainkit.evaluation.calls": 2,
    "domainkit.evaluation.fields": 2,
    "domainkit.evaluation.classical": 2,
    "domainkit.evaluation.classical_labels": 2,
    "domainkit.evaluation.kinds": 1,
    "domainkit.evaluation.kinds.": 2,
    "domainkit.evaluation.read_task": 2,
    "domainkit.evaluation.read_questions": 2,
    "domainkit.results": 1,
    "domainkit.statistics": 2,
    "domainkit.similarity": 2,
    "domainkit.verdict": 2,
    "domainkit.splitting": 2,
    "domainkit.clinic": 2,
    "domainkit.retrieval": 2,
    "domainkit.report": 2,
    "domainkit.llm": 4,
    "domainkit.llm.provider_errors": 1,
    "chains": 5,
    "domainkit.comparison": 6,
    "domainkit.comparison.config": 2,
    "domainkit.comparison.score": 2,
    "domainkit.comparison.asking.as_they_come": 2,
    "domainkit.comparison.asking.call_runnable": 2,
    "domainkit.winner": 6,
    "domainkit.synthesis": 6,
    "domainkit.synthesis.config": 2,
    "domainkit.synthesis.asking.config": 2,
    "domainkit.distillation": 6,
    "domainkit.distillation.config": 2,
    "domainkit.monitoring": 6,
    "domainkit.review": 6,
    "domainkit.leaving": 6,
    "domainkit.project": 6,
    "domainkit.serving": 6,
    "domainkit.cli": 6,
    "domainkit.__main__": 6,
}
_TORCH = (
    "domainkit.models.",
    "domainkit.adapters.",
    "domainkit.training.",
    "domainkit.export.",
    "domainkit.inference.",
)
HOMES = {
    "torch": (*_TORCH, "domainkit.cli.doctor"),
    "transformers": (*_TORCH, "domainkit.retrieval.embeddings"),
    "peft": _TORCH,
    "bitsandbytes": (*_TORCH, "domainkit.cli.doctor"),
    "trl": ("domainkit.training.objectives.",),
    "llguidance": ("domainkit.inference.constrained.",),
    "langchain_core": (
        "domainkit.llm",
        "domainkit.retrieval",
        "domainkit.synthesis",
        "domainkit.distillation",
        "domainkit.monitoring",
        "domainkit.serving",
        "domainkit.winner",
        "domainkit.leaving.incumbent",
        "chains",
    ),
    "langchain": ("chains", "domainkit.llm.named_model"),
    "bm25s": ("domainkit.retrieval",),
    "sentence_transformers": ("domainkit.retrieval",),
    "sklearn": (
        "domainkit.evaluation.classical",
        "domainkit.evaluation.fields.rival.spans",
        "domainkit.similarity.texts",
        "domainkit.clinic.next_to_label",
    ),
    "jinja2": (
        "domainkit.report",
        "domainkit.models.templates.chat_template",
        "domainkit.models.templates.traits",
        "domainkit.models.templates.limits",
    ),
    "starlette": ("domainkit.serving", "domainkit.review.app"),
    "uvicorn": ("domainkit.serving.run",),
    "httpx": ("domainkit.inference.server.transport",),
    "typer": ("domainkit.cli",),
    "sacrebleu": ("domainkit.evaluation.metrics.chrf",),
    "rapidfuzz": ("domainkit.evaluation.metrics.rouge_l",),
}
NEVER = {"langchain_community", "langchain_classic", "evaluate", "pickle"}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> int:
    return LAYERS[max((p for p in LAYERS if module == p or module.startswith(p.rstrip(".") + ".")), key=len)]


def found_in(node: ast.AST, typing_only: bool = False) -> Iterator[tuple[str, bool]]:
    """(module, for type checkers only) of every import under `node`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, typing_only) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield child.module or "", typing_only
        elif not isinstance(child, ast.expr):  # no import stands in an expression
            checked = isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
            yield from found_in(child, typing_only or checked)


@cache
def all_imports(path: Path) -> list[tuple[str, bool]]:
    return list(found_in(ast.parse(path.read_text(encoding="utf-8"))))


def imports(path: Path) -> list[str]:
    """The module of every import that is not for type checkers only."""
    return [module for module, typing_only in all_imports(path) if module and not typing_only]


def tops_of(modules: Iterable[str]) -> set[str]:
    """Their packages."""
    return {module.split(".")[0] for module in modules}


def test_the_imports_of_a_file_are_found() -> None:
    code = """
import a.b, c
from d import e
if TYPE_CHECKING:
    import f
else:
    try:
        from g.h import i
    except ImportError:
        with j:
            import k
class L:
    async def m(self):
        match n:
            case 1:
                for _ in o:
                    from . import p
                    import q
"""
    found = list(found_in(ast.parse(code)))
    assert found == [(m, m in ("f", "g.h", "k")) for m in ("a.b", "c", "d", "f", "g.h", "k", "", "q")]


# One test each over all files: seven hundred of a millisecond each take ten times as long.


def test_imports_point_up() -> None:
    assert len(FILES) > 500
    wrong = [
        f"{own} (layer {layer_of(own)}) imports {module} (layer {layer_of(module)})"
        for own, module in ((name_of(path), module) for path in FILES for module in imports(path))
        if module.split(".")[0] in ("domainkit", "chains")
        and module != "domainkit"
        and layer_of(module) > layer_of(own)
    ]
    assert not wrong


def test_heavy_libraries_stay_home() -> None:
    wrong = []
    for path in FILES:
        own, tops = name_of(path), tops_of(imports(path))
        away = {t for t in tops if t in HOMES and not any(own == h or own.startswith(h) for h in HOMES[t])}
        wrong += [f"{own} imports {name} outside its home" for name in sorted(away | tops & NEVER)]
    assert not wrong


def test_domainkit_knows_chains_by_name_only() -> None:
    own = [path for path in FILES if path.is_relative_to(ROOT / "domainkit")]
    wrong = [name_of(path) for path in own if "chains" in tops_of(module for module, _ in all_imports(path))]
    assert not wrong


def test_chains_are_made_of_public_names() -> None:
    import domainkit

    wrong = []
    for path in (ROOT / "chains").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "domainkit":
                names = [alias.name for alias in node.names]
                if node.module != "domainkit" or not set(names) <= set(domainkit.__all__):
                    wrong.append(f"{name_of(path)} imports {', '.join(names)} from {node.module}")
    assert not wrong


def test_importing_domainkit_is_free() -> None:
    heavy = ["torch", "transformers", "peft", "langchain_core", "pandas", "pyarrow", "numpy", "pydantic", "sklearn"]
    code = f"import sys, domainkit; print([m for m in {heavy!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert out.strip() == "[]"


def test_every_public_name_is_there() -> None:
    import domainkit

    assert sorted(domainkit.__all__, key=str) == sorted(domainkit._PUBLIC)
    for name in domainkit.__all__:
        assert getattr(domainkit, name) is not None


def test_no_file_is_a_drawer() -> None:
    drawers = {"utils", "common", "helpers", "misc"}
    assert not [name_of(p) for p in FILES if p.stem in drawers]


def folder_of(module: str) -> str:
    """The folder of a module; of a package, itself."""
    path = ROOT / Path(*module.split("."))
    return module if path.is_dir() else module.rpartition(".")[0]


def test_no_two_folders_import_each_other() -> None:
    """A folder and one inside it are one house; any other two are walls apart."""
    arrows: dict[tuple[str, str], str] = {}
    for path in FILES:
        own = name_of(path)
        here = own if path.stem == "__init__" else own.rpartition(".")[0]
        for module in imports(path):
            if module.split(".")[0] in ("domainkit", "chains"):
                arrows.setdefault((here, folder_of(module)), f"{own} imports {module}")
    mutual = [
        f"{why}; {arrows[there, here]}"
        for (here, there), why in arrows.items()
        if here < there and (there, here) in arrows and not f"{there}.".startswith(f"{here}.")
    ]
    assert not mutual
