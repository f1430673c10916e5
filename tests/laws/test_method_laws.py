"""Every line of METHODS, on plain, NF4 and int8 weights, keeps the same laws, or says why not. The table is in docs/methods.md.

python -m pytest tests/laws/test_method_laws.py -s prints it; DOMAINKIT_WRITE_DOCS=1 writes it into the docs.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from domainkit.corpus.example import Example, Turn
from domainkit.errors import BaseModelError
from domainkit.training.base import load_base
from domainkit.training.config import TrainConfig
from domainkit.training.methods import METHODS, parse_method
from domainkit.training.train import train


def _load_matrix() -> Any:
    spec = importlib.util.spec_from_file_location("laws_matrix", Path(__file__).with_name("matrix.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["laws_matrix"] = module
    spec.loader.exec_module(module)
    return module


laws = _load_matrix()
DOCS = Path(__file__).resolve().parents[2] / "docs" / "methods.md"
MARKS = re.compile(r"(<!-- laws -->\n).*?(<!-- end -->)", re.DOTALL)


@pytest.fixture(scope="module")
def matrix(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return laws.Matrix(tiny_base, tmp_path_factory.mktemp("laws"))


@pytest.mark.parametrize("precision", laws.PRECISIONS)
@pytest.mark.parametrize("name", METHODS)
def test_laws(matrix: Any, name: str, precision: str) -> None:
    found = matrix.row(name, precision)
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
        Example(turns=(Turn(role="user", content=q), Turn(role="assistant", content=a)), source=f"r:{i}", task=tasks[i % len(tasks)])
        for i, (q, a) in enumerate((("q1", "red"), ("q2", "blue")))
    ]  # fmt: skip
    config = TrainConfig(
        base=tiny_base, quantization="none", method=name, method_options=laws.OPTIONS.get(name, {}), epochs=4, batch_size=2,
        learning_rate=laws.RATES.get(name, 1e-2),
    )  # fmt: skip

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


def test_the_docs_show_what_is_measured(matrix: Any) -> None:
    table = matrix.markdown()
    print("\n" + table)
    text = DOCS.read_text(encoding="utf-8")
    made = MARKS.sub(lambda m: f"{m[1]}{table}\n{m[2]}", text)
    if os.environ.get("DOMAINKIT_WRITE_DOCS"):
        DOCS.write_text(made, encoding="utf-8")
    assert table in DOCS.read_text(encoding="utf-8"), "run this test with DOMAINKIT_WRITE_DOCS=1"


def test_encoder_decoder_bases_are_refused(tmp_path: Path, tiny_base: str) -> None:
    from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration

    T5ForConditionalGeneration(T5Config(vocab_size=260, d_model=16, d_ff=16, d_kv=8, num_layers=1, num_heads=2)).save_pretrained(tmp_path)  # fmt: skip
    AutoTokenizer.from_pretrained(tiny_base).save_pretrained(tmp_path)
    with pytest.raises(BaseModelError):
        load_base(str(tmp_path), quantization="none")
