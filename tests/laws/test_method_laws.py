"""Every method of METHODS obeys the same laws on plain, NF4 and int8 weights, or says why it cannot.

The table is in docs/methods.md.

python -m pytest tests/laws/test_method_laws.py -s prints it; DOMAINKIT_WRITE_DOCS=1 writes it into the docs.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from domainkit.adapters.methods import METHODS, parse_method
from domainkit.corpus.example import Example, Turn
from domainkit.training.config import TrainConfig
from domainkit.training.train import train
from tests.laws import matrix as laws

DOCS = Path(__file__).resolve().parents[2] / "docs" / "methods.md"
KINDS = ("decoder", "encoder-decoder")


@pytest.fixture(scope="module")
def matrices(tiny_base: str, tiny_pair: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    bases = zip(KINDS, (tiny_base, tiny_pair), strict=True)
    return {kind: laws.Matrix(base, tmp_path_factory.mktemp(kind)) for kind, base in bases}


@pytest.mark.parametrize("precision", laws.PRECISIONS)
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_laws(matrices: dict[str, Any], kind: str, name: str, precision: str) -> None:
    found = matrices[kind].row(name, precision)
    assert tuple(found) == laws.LAWS
    assert all(found.values()), "a law without an answer"
    refused = {law: answer for law, answer in found.items() if answer.startswith("refused")}
    assert not refused or len(refused) == len(found)
    assert (precision in parse_method(name, laws.OPTIONS.get(name, {})).precisions) == (not refused)


@pytest.mark.parametrize("name", METHODS)
def test_resumed_equals_uninterrupted(tiny_base: str, tmp_path: Path, name: str) -> None:
    """Cut after two of four steps and continued, the adapter is the uninterrupted one, bit for bit."""
    tasks = laws.OPTIONS.get(name, {}).get("tasks", [None])
    rows = [
        Example(
            turns=(Turn(role="user", content=q), Turn(role="assistant", content=a)),
            source=f"r:{i}",
            task=tasks[i % len(tasks)],
        )
        for i, (q, a) in enumerate((("q1", "red"), ("q2", "blue")))
    ]
    config = TrainConfig(
        base=tiny_base,
        quantization="none",
        method=name,
        method_options=laws.OPTIONS.get(name, {}),
        epochs=4,
        batch_size=2,
        learning_rate=laws.RATES.get(name, 1e-2),
    )

    def stop(progress: Any) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    whole = train(rows, config, tmp_path / "whole", on_progress=lambda _: None)
    with pytest.raises(KeyboardInterrupt, match="step 2 is saved"):
        train(rows, config, tmp_path / "cut", on_progress=stop)
    resumed = train(rows, config, tmp_path / "cut", resume=True, on_progress=lambda _: None)
    assert resumed.card
    assert whole.card
    assert resumed.card.losses == whole.card.losses
    assert resumed.weights_sha256 == whole.weights_sha256


@pytest.mark.parametrize("kind", KINDS)
def test_the_docs_show_what_is_measured(matrices: dict[str, Any], kind: str) -> None:
    table = matrices[kind].markdown()
    print("\n" + table)
    marks = re.compile(f"(<!-- laws: {kind} -->\\n).*?(<!-- end -->)", re.DOTALL)
    if os.environ.get("DOMAINKIT_WRITE_DOCS"):
        text = DOCS.read_text(encoding="utf-8")
        DOCS.write_text(marks.sub(lambda m: f"{m[1]}{table}\n{m[2]}", text), encoding="utf-8")
    found = marks.search(DOCS.read_text(encoding="utf-8"))
    assert found
    assert table in found.group(), "run this test with DOMAINKIT_WRITE_DOCS=1"
