"""On a base in bfloat16, as GPUs hold it, every pass computes in one precision: methods with float32 weights train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from domainkit.adapters.folder import WEIGHTS
from domainkit.adapters.methods import attach, parse_method
from domainkit.inference import local
from domainkit.inference.local import LocalBackend
from domainkit.models import load
from domainkit.models.load import load_base
from domainkit.models.precision import precision
from domainkit.training import train as train_module
from domainkit.training.heldout import measure_held_out
from domainkit.training.preference import train_preference as preference_module
from tests.inference.tiny_adapters import ask
from tests.training.preference.small_preferences import run as run_preference
from tests.training.small_runs import losses, run


@pytest.fixture
def half(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a GPU gets: weights in bfloat16; NF4 packed, computing in bfloat16."""
    monkeypatch.setattr(load, "_compute_dtype", lambda device: torch.bfloat16)
    for module in (train_module, preference_module):
        monkeypatch.setattr(module, "load_base", lambda *a, **options: load_base(*a, **options, keep_packed=True))


@pytest.mark.parametrize(
    ("method", "quantization"), [("last_layers", "none"), ("full", "none"), ("ia3", "nf4"), ("boft", "nf4")]
)
@pytest.mark.parametrize("packing", [True, False])
def test_a_method_with_float32_weights_trains(
    half: None, tiny_base: str, tmp_path: Path, method: str, quantization: str, packing: bool
) -> None:
    options: dict[str, Any] = {"method": method, "method_options": {}, "quantization": quantization}
    made = run(tiny_base, tmp_path / "a", learning_rate=2e-3, batch_size=6, epochs=3, packing=packing, **options)
    assert losses(made)[-1] < losses(made)[0]
    assert {w.dtype for w in load_file(made.folder / WEIGHTS).values()} == {torch.float32}


def test_answers_are_sampled_in_the_precision_of_the_loss(half: None, tiny_base: str, tmp_path: Path) -> None:
    made = run_preference(tiny_base, tmp_path / "a", "grpo", quantization="nf4", method="ia3")
    assert made.card is not None


def test_a_float32_base_computes_in_float32_and_a_measurement_needs_no_context(
    tiny_base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from domainkit.training.examples_to_ids import TokenizedExample

    found = []
    for dtype in (torch.float32, torch.bfloat16):
        monkeypatch.setattr(load, "_compute_dtype", lambda device, dtype=dtype: dtype)
        base = load_base(tiny_base, quantization="nf4", keep_packed=True)
        model = attach(parse_method("ia3", {}), base.model)
        with precision(model):
            assert torch.is_autocast_enabled("cpu") == (dtype == torch.bfloat16)
        found.append(measure_held_out(model, [TokenizedExample((1, 30, 40, 50, 2), 2, "")], 0).nll)
    assert found[1] == pytest.approx(found[0], rel=0.1)  # bfloat16 moves some weights across an NF4 step


@pytest.mark.parametrize("method", ["ia3", "boft", "last_layers"])
def test_the_engine_answers_with_what_was_trained(
    half: None, tiny_base: str, tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantization: Any = "none" if method == "last_layers" else "nf4"
    monkeypatch.setattr(local, "load_base", lambda *a, **options: load_base(*a, **options, keep_packed=True))
    options: dict[str, Any] = {"method": method, "method_options": {}, "quantization": quantization}
    adapter = run(tiny_base, tmp_path / "a", learning_rate=5e-2 if method == "ia3" else 1e-2, **options).folder
    backend = LocalBackend(tiny_base, None, quantization, "cpu")
    tuned, base = (backend.complete([ask("q1", adapter=a)])[0].text for a in (str(adapter), None))
    backend.close()
    assert tuned != base
