"""Mixed LoRA batches: one product for all adapters of a small pass gives what one adapter after another gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora.layer import LoraLayer

from domainkit.errors import AdapterError
from domainkit.inference.adapters.pool import MIXED, NO_ADAPTER, AdapterPool, LoadedAdapter, PassRow
from domainkit.inference.engine.acceleration import Acceleration, mixed_lora
from domainkit.inference.engine.acceleration.mixed_lora import STACKED_TOKENS, LoraStack
from domainkit.inference.local import LocalBackend
from domainkit.models.load import load_base
from tests.inference.tiny_adapters import ask, save_adapter


@pytest.fixture(scope="module")
def folders(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three adapters with different ranks, scales and layers."""
    folder, task = tmp_path_factory.mktemp("mixed_lora"), {"task_type": "CAUSAL_LM"}
    configs = [
        LoraConfig(r=4, target_modules="all-linear", **task),
        LoraConfig(r=8, target_modules="all-linear", use_rslora=True, **task),
        LoraConfig(r=2, lora_alpha=7, target_modules=["q_proj", "v_proj"], **task),
    ]
    return [save_adapter(tiny_base, folder / str(i), i, config) for i, config in enumerate(configs)]


def make_pool(base: str, acceleration: Acceleration = Acceleration()) -> AdapterPool:  # noqa: B008
    loaded = load_base(base, quantization="none", device="cpu", purpose="infer")
    return AdapterPool(loaded.model, loaded.source.fingerprint, loaded.source.name, acceleration=acceleration)


@pytest.fixture
def pool(tiny_base: str) -> AdapterPool:
    return make_pool(tiny_base)


def logits(pool: AdapterPool, adapters: list[LoadedAdapter], tokens: int = 3) -> torch.Tensor:
    """(rows, tokens, vocabulary) of one pass over rows of these adapters."""
    pool.enter([PassRow(adapter) for adapter in adapters])
    ids = (torch.arange(len(adapters) * tokens) % 50 + 10).view(len(adapters), tokens)
    with torch.inference_mode():
        return pool._model(input_ids=ids, use_cache=False).logits


def lora_layers(pool: AdapterPool) -> list[LoraLayer]:
    return [m for m in pool._model.modules() if isinstance(m, LoraLayer)]


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whether each layer computed "one" adapter after another, or "all" in one product."""
    products: list[str] = []
    add_change, add = mixed_lora.add_change, LoraStack.add
    monkeypatch.setattr(mixed_lora, "add_change", lambda *a: (products.append("one"), add_change(*a))[1])
    monkeypatch.setattr(LoraStack, "add", lambda *a: (products.append("all"), add(*a))[1])
    return products


def test_one_product_for_all_adapters_gives_the_same_logits(
    pool: AdapterPool, folders: list[str], products: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (pool.load(folder) for folder in folders)
    rows = [first, NO_ADAPTER, second, third, first, NO_ADAPTER]
    together = logits(pool, rows)
    assert set(products) == {"all"}
    products.clear()
    monkeypatch.setattr(mixed_lora, "STACKED_TOKENS", 0)
    one_by_one = logits(pool, rows)
    assert set(products) == {"one"}
    assert torch.allclose(together, one_by_one, atol=1e-5)
    alone = torch.stack([logits(pool, [NO_ADAPTER] * i + [adapter])[i] for i, adapter in enumerate(rows)])
    assert torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(together[0], logits(pool, [NO_ADAPTER])[0], atol=1e-2), "the adapters do something"


def test_switched_off_each_adapter_is_a_batch_of_its_own_with_the_same_logits(
    pool: AdapterPool, folders: list[str], tiny_base: str
) -> None:
    off = make_pool(tiny_base, Acceleration(mixed_lora=False))
    for folder in folders:
        mixed, single = pool.load(folder), off.load(folder)
        assert mixed.batch_key == MIXED != single.batch_key
        assert torch.allclose(logits(pool, [mixed] * 3), logits(off, [single] * 3), atol=1e-5)
    assert torch.equal(logits(off, [NO_ADAPTER]), logits(pool, [NO_ADAPTER]))


@pytest.fixture
def unmixed(tiny_base: str) -> Iterator[LocalBackend]:
    backend = LocalBackend(tiny_base, None, "none", "cpu", acceleration=Acceleration(mixed_lora=False))
    yield backend
    backend.close()


def test_switched_off_requests_of_several_adapters_get_the_same_texts(
    backend: LocalBackend, unmixed: LocalBackend, folders: list[str]
) -> None:
    requests = [ask(f"question {i}", adapter=([*folders, None])[i % 4], max_tokens=8) for i in range(8)]
    assert [a.text for a in unmixed.complete(requests)] == [a.text for a in backend.complete(requests)]


def test_large_passes_and_single_adapters_fall_back_on_one_by_one(
    pool: AdapterPool, folders: list[str], products: list[str]
) -> None:
    first, second, third = (pool.load(folder) for folder in folders)
    logits(pool, [first, second], tokens=STACKED_TOKENS)
    logits(pool, [second, NO_ADAPTER])
    assert set(products) == {"one"}
    products.clear()
    # Only 6 of 4 + 8 + 2 ranks are used in q and v. In other layers the third has no weights.
    logits(pool, [first, third])
    assert set(products) == {"one"}


def test_stacked_weights_are_stored_once_and_freed_with_their_adapter(pool: AdapterPool, folders: list[str]) -> None:
    adapters = [pool.load(folder) for folder in folders]
    stacks = pool._peft._mixed_lora._stacks
    assert len(stacks) == len(lora_layers(pool))
    for layer, stack in stacks.items():
        for weights, whole in ((layer.lora_A, stack.a), (layer.lora_B, stack.b)):
            for part in weights.values():
                assert part.weight.untyped_storage().data_ptr() == whole.untyped_storage().data_ptr()
        assert len(stack.a) == len(stack.b) == sum(a.weight.shape[0] for a in layer.lora_A.values())
    before = logits(pool, [adapters[2], NO_ADAPTER])
    pool._remove(adapters[0].name)
    pool._remove(adapters[1].name)
    assert not stacks
    for layer in lora_layers(pool):
        for weights in (layer.lora_A, layer.lora_B):
            for left in weights.values():
                assert left.weight.untyped_storage().nbytes() == left.weight.nbytes, "not a view of a removed stack"
    assert torch.allclose(logits(pool, [adapters[2], NO_ADAPTER]), before, atol=1e-6)


def test_the_base_is_as_before_when_the_last_adapter_is_removed(pool: AdapterPool, folders: list[str]) -> None:
    before = logits(pool, [NO_ADAPTER])
    modules = list(pool._model.modules())
    for adapter in [pool.load(folder) for folder in folders]:
        pool._remove(adapter.name)
    assert list(pool._model.modules()) == modules
    assert not any(module._forward_hooks for module in modules)
    assert torch.equal(logits(pool, [NO_ADAPTER]), before)


def test_an_adapter_with_infinite_weights_is_refused(pool: AdapterPool, tiny_base: str, tmp_path: Path) -> None:
    """In a stack, the other rows would multiply its weights by zero, and zero times infinity is NaN."""
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    with pytest.raises(AdapterError, match="not finite"):
        pool.load(save_adapter(tiny_base, tmp_path / "broken", 5, config, spread=float("inf")))
