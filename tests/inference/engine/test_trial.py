"""What the engine computes otherwise than the stock library is found before the first answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.errors import AdapterError
from domainkit.inference.adapters.peft_layers import PeftLayers
from domainkit.inference.adapters.pool import MIXED, AdapterPool
from domainkit.inference.engine.acceleration import mixed_lora
from domainkit.inference.engine.model_runner import Executor, make_runner
from domainkit.inference.engine.trial import AdapterTrial, trial_rows
from domainkit.inference.local import LocalBackend
from domainkit.models.load import load_base
from tests.inference.engine.tiny_models import PROBE, SIZES
from tests.inference.tiny_adapters import ask, save_adapter

FLAT: dict[str, tuple[str, str, dict[str, Any], list[str]]] = {
    "opt": (
        "OPTForCausalLM",
        "OPTConfig",
        {**SIZES, "ffn_dim": 64, "word_embed_proj_dim": 32, "max_position_embeddings": 64},
        ["fc1", "fc2", "q_proj"],
    ),
    "qwen2-moe": (
        "Qwen2MoeForCausalLM",
        "Qwen2MoeConfig",
        {
            **SIZES,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 32,
            "shared_expert_intermediate_size": 32,
        },
        ["gate_proj", "up_proj", "down_proj", "q_proj"],
    ),
}
"""Bases that hand (rows · tokens, hidden) to some linear layers."""


def pool_of(model: Any) -> AdapterPool:
    pool = AdapterPool(model, "", "base")
    runner, why = make_runner(model, PROBE)
    assert why is None
    pool.trial = AdapterTrial(runner.isolated(), Executor(pool), trial_rows(None, PROBE), 64).compare
    return pool


@pytest.mark.parametrize("name", FLAT)
@torch.inference_mode()
def test_rows_that_a_base_flattens_get_their_own_adapter(name: str, tmp_path: Path) -> None:
    import transformers
    from peft import LoraConfig

    model_class, config_class, sizes, targets = FLAT[name]
    torch.manual_seed(0)
    with torch.inference_mode(False):
        model = getattr(transformers, model_class)(getattr(transformers, config_class)(**sizes)).eval()
        model.save_pretrained(tmp_path / "base")
        config = LoraConfig(r=4, target_modules=targets, task_type="CAUSAL_LM")
        folder = save_adapter(str(tmp_path / "base"), tmp_path / "adapter", 0, config)
    adapter = pool_of(model.requires_grad_(False)).load(folder)
    assert adapter is not None
    assert adapter.batch_key == MIXED


def test_mixing_that_differs_gives_way_to_pefts_own_passes(
    tiny_base: str, adapters: dict[str, str], backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = backend.complete([ask("x", adapter=adapters["red"])])[0].text
    add = mixed_lora.add_change
    monkeypatch.setattr(mixed_lora, "add_change", lambda y, x, rows, a, b, scale: add(y, x, rows, a, b, 1.5 * scale))
    engine = LocalBackend(tiny_base, None, "none", "cpu")
    answers = engine.complete([ask("x", adapter=adapters["red"]), ask("x")])
    [loaded] = engine.engine().pool._loaded.values()
    engine.close()
    assert loaded.batch_key != MIXED
    assert [a.text for a in answers] == [expected, backend.complete([ask("x")])[0].text]


def test_an_adapter_that_is_computed_otherwise_is_refused(
    tiny_base: str, adapters: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = PeftLayers.forward
    monkeypatch.setattr(PeftLayers, "forward", lambda self, **inputs: forward(self, **inputs) * 1.1)
    pool = pool_of(load_base(tiny_base, quantization="none", purpose="infer").model)
    before = list(pool._model.modules())
    with torch.inference_mode():
        for name in ("red", "dora", "ia3"):
            with pytest.raises(AdapterError, match="as it was trained: its logits differ from those of PEFT by"):
                pool.load(adapters[name])
            assert list(pool._model.modules()) == before


def test_an_adapter_that_moves_the_base_is_refused(tiny_base: str, adapters: dict[str, str]) -> None:
    model = load_base(tiny_base, quantization="none", purpose="infer").model
    pool = pool_of(model)
    model.model.norm.weight.mul_(1.1)
    with torch.inference_mode(), pytest.raises(AdapterError, match=r"the base's own logits move by \d"):
        pool.load(adapters["red"])
