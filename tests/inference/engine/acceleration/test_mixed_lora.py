"""Plain LoRA by row: one product for all adapters of a small pass gives what adapter after adapter does, and holds nothing twice."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig

from domainkit.inference.adapters.pool import MIXED, AdapterPool
from domainkit.inference.engine.acceleration import mixed_lora as routed_lora
from domainkit.inference.engine.acceleration.mixed_lora import FEW_TOKENS
from domainkit.models.load import load_base
from tests.inference.tiny_adapters import save_adapter


@pytest.fixture(scope="module")
def folders(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three adapters whose ranks, scales and layers differ."""
    place, task = tmp_path_factory.mktemp("routed"), {"task_type": "CAUSAL_LM"}
    configs = [
        LoraConfig(r=4, target_modules="all-linear", **task),
        LoraConfig(r=8, target_modules="all-linear", use_rslora=True, **task),
        LoraConfig(r=2, lora_alpha=7, target_modules=["q_proj", "v_proj"], **task),
    ]
    return [save_adapter(tiny_base, place / str(i), i, config) for i, config in enumerate(configs)]


@pytest.fixture
def pool(tiny_base: str) -> AdapterPool:
    loaded = load_base(tiny_base, quantization="none", device="cpu", purpose="infer")
    return AdapterPool(loaded.model, loaded.source.fingerprint, loaded.source.name)


def logits(pool: AdapterPool, names: list[str | None], tokens: int = 3) -> torch.Tensor:
    """(rows, tokens, vocabulary) of one pass over rows of these adapters."""
    pool.enter(MIXED, names)
    ids = (torch.arange(len(names) * tokens) % 50 + 10).view(len(names), tokens)
    with torch.inference_mode():
        return pool._model(input_ids=ids, use_cache=False).logits


def layers(pool: AdapterPool) -> list[Any]:
    return [m for m in pool._model.modules() if hasattr(m, "_domainkit_stack")]


def count_products(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which way each layer went."""
    ways: list[str] = []
    add, stack = routed_lora._add, routed_lora.Stack.add
    monkeypatch.setattr(routed_lora, "_add", lambda *a: (ways.append("one"), add(*a))[1])
    monkeypatch.setattr(routed_lora.Stack, "add", lambda *a: (ways.append("all"), stack(*a))[1])
    return ways


def test_one_product_for_all_is_what_one_after_another_gives(
    pool: AdapterPool, folders: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [pool.load(f).name for f in folders]
    rows = [names[0], None, names[1], names[2], names[0], None]
    ways = count_products(monkeypatch)
    together = logits(pool, rows)
    assert set(ways) == {"all"}
    ways.clear()
    monkeypatch.setattr(routed_lora, "FEW_TOKENS", 0)
    apart = logits(pool, rows)
    assert set(ways) == {"one"}
    assert torch.allclose(together, apart, atol=1e-5)
    alone = torch.stack([logits(pool, [None] * i + [n])[i] for i, n in enumerate(rows)])
    assert torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(together[0], logits(pool, [None])[0], atol=1e-2), "the adapters do something"


def test_large_passes_and_lonely_adapters_go_one_by_one(
    pool: AdapterPool, folders: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (pool.load(f).name for f in folders)
    ways = count_products(monkeypatch)
    logits(pool, [first, second], tokens=FEW_TOKENS)
    logits(pool, [second, None])
    assert set(ways) == {"one"}
    ways.clear()
    # Of 4 + 8 + 2 ranks only 6 are wanted in q and v: more idle than used. Elsewhere the third has no part.
    logits(pool, [first, third])
    assert set(ways) == {"one"}


def test_stacked_weights_are_held_once_and_leave_with_their_adapter(pool: AdapterPool, folders: list[str]) -> None:
    names = [pool.load(f).name for f in folders]
    for layer in layers(pool):
        stack = layer._domainkit_stack
        here = [n for n in names if n in layer.lora_A]
        for name in here:
            for weight, whole in ((layer.lora_A[name].weight, stack.a), (layer.lora_B[name].weight, stack.b)):
                assert weight.untyped_storage().data_ptr() == whole.untyped_storage().data_ptr()
        assert len(stack.a) == len(stack.b) == sum(layer.lora_A[n].weight.shape[0] for n in here)
    before = logits(pool, [names[2], None])
    pool._forget(names[0])
    pool._forget(names[1])
    assert all(layer._domainkit_stack is None for layer in layers(pool))
    for layer in layers(pool):
        for weights in (layer.lora_A, layer.lora_B):
            for left in weights.values():
                assert left.weight.untyped_storage().nbytes() == left.weight.nbytes, "no view of a stack that is gone"
    assert torch.allclose(logits(pool, [names[2], None]), before, atol=1e-6)


def test_a_broken_adapter_is_not_stacked_with_others(
    pool: AdapterPool, folders: list[str], tiny_base: str, tmp_path: Any
) -> None:
    """Its neighbours' rows multiply it by zero, and zero times infinity is no number."""
    good = pool.load(folders[0]).name
    alone = logits(pool, [good, None])
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    broken = pool.load(save_adapter(tiny_base, tmp_path / "broken", 5, config, spread=float("inf"))).name
    beside = logits(pool, [good, None, broken])
    assert beside[2].isnan().any()
    assert torch.allclose(beside[:2], alone, atol=1e-5)
