"""A new method is one line in the table and its own files: nothing else in the package names a method."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from domainkit import DomainLLM
from domainkit.adapters.folder import Adapter
from domainkit.adapters.methods import FOREIGN, METHODS, abilities_of
from domainkit.corpus.example import Example, Turn
from domainkit.errors import ConfigError
from domainkit.export.merge import merge
from domainkit.export.merge_plan import MergeError
from domainkit.export.plain_lora import to_plain_lora
from domainkit.training.config import TrainConfig
from domainkit.training.preference.plan import works_for_preferences
from domainkit.training.train import train

PACKAGE = Path(__file__).resolve().parents[2] / "domainkit"
TABLES = {PACKAGE / "adapters" / "methods" / "__init__.py"}
ALLOWED = {
    "lora": {
        PACKAGE / "training" / "config.py",
        PACKAGE / "adapters" / "peft_config.py",
        PACKAGE / "export" / "gguf" / "adapter.py",
        PACKAGE / "export" / "replay" / "llama_server.py",
        PACKAGE / "inference" / "server" / "llama_cpp.py",
    },
    "miss": {PACKAGE / "cli" / "doctor.py"},
}
"""The default method of a run is a setting, "LORA" a value in PEFT's files, and "lora" one in llama.cpp's; the doctor's
mark for what is missing is not a method."""


def constants(path: Path) -> list[tuple[str, int]]:
    """(text, line) of the file's string constants."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [(n.value, n.lineno) for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def files_of(name: str) -> set[Path]:
    """A method's own file, and the layers beside it."""
    table = METHODS if name in METHODS else FOREIGN
    file = PACKAGE.parent / (table[name].partition(":")[0].replace(".", "/") + ".py")
    return {file, *file.parent.glob("*_layers.py")}


def test_no_other_file_names_a_method() -> None:
    found = []
    for path in sorted(set(PACKAGE.rglob("*.py")) - TABLES):
        for text, line in constants(path):
            name = text.lower()
            known = name in METHODS or name in FOREIGN
            if known and path not in files_of(name) | ALLOWED.get(name, set()):
                found.append(f"{path.relative_to(PACKAGE)}:{line}: {text}")
    assert not found, "declare what the method can do in its own file (adaptation.Abilities)"


def test_an_adapter_type_finds_the_method_that_declares_it() -> None:
    for name in METHODS:
        assert abilities_of(name.upper()) is METHODS.load(name)
    assert "learnt vectors" in str(abilities_of("CPT").why_not_mergeable)
    assert abilities_of("NEVER_HEARD_OF").why_not_mergeable is None


# ---- a method of another package

EXAMPLES = [
    Example(turns=(Turn(role="user", content=q), Turn(role="assistant", content=a)))
    for q, a in (("q1", "red"), ("q2", "blue"))
] * 2


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines that entry points of the group domainkit.methods would add."""
    added = {"randlora": "tests.laws.third_party:RandLora", "block_scale": "tests.laws.third_party:BlockScale"}
    monkeypatch.setitem(METHODS.__dict__, "_lines", {**added, **METHODS._lines})


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("name", ["randlora", "block_scale"])
def test_a_third_partys_method_trains_serves_and_merges_or_says_why_not(
    name: str, tiny_base: str, tmp_path: Path
) -> None:
    config = TrainConfig(base=tiny_base, quantization="none", method=name, epochs=20, batch_size=4)
    adapter = train(EXAMPLES, config, tmp_path / "adapter", on_progress=lambda _: None)
    assert _final_loss(adapter) < 0.9 * _first_loss(adapter)

    # Served: the tuned answers differ from the base's, and one batch with the base changes neither.
    tuned = DomainLLM(adapter=str(adapter.folder), max_tokens=4)
    base = DomainLLM(base=tiny_base, quantization="none", max_tokens=4)
    answers = [m.text for m in tuned.batch(["q1", "q2"])]
    assert answers != [m.text for m in base.batch(["q1", "q2"])]
    assert [tuned.invoke(q).text for q in ("q1", "q2")] == answers

    # Exported: merged with proof, or refused with the method's own reason.
    why_not = METHODS.load(name).why_not_mergeable
    if why_not is None:
        merged = merge(adapter.folder, tmp_path / "model", EXAMPLES[:1])
        assert merged.card.proof.agreement == 1.0
    else:
        with pytest.raises(MergeError, match=f"{name} cannot be merged: it {why_not}"):
            merge(adapter.folder, tmp_path / "model", EXAMPLES[:1])
    with pytest.raises((MergeError, ConfigError), match=name):
        to_plain_lora(adapter.folder, tmp_path / "plain")
    assert name not in works_for_preferences()


def _first_loss(adapter: Adapter) -> float:
    assert adapter.card is not None
    return adapter.card.losses[0][1]


def _final_loss(adapter: Adapter) -> float:
    assert adapter.card is not None
    loss: Any = adapter.card.final_loss
    return float(loss)
