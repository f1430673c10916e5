"""Memory: what a KV cache takes, how much of it there is, and what running out looks like."""

from __future__ import annotations

import pytest
import torch
from transformers.models.gemma4 import Gemma4ForCausalLM, Gemma4TextConfig

from domainkit.adapters.methods import attach, parse_method
from domainkit.models import memory
from domainkit.models.load import load_base
from domainkit.models.memory import (
    SAVED_BYTES,
    activation_bytes,
    cache_memory,
    free_bytes,
    free_memory,
    memory_needs,
    out_of_memory,
    state_bytes,
    training_bytes,
    training_pass,
)


def test_layers_of_different_widths_are_counted_each() -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1}
    more = {"vocab_size": 64, "hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 64}
    config = Gemma4TextConfig(**sizes, **more, num_hidden_layers=6, head_dim=16, num_kv_shared_layers=0)
    model = Gemma4ForCausalLM(config).eval()
    cache = model(input_ids=torch.ones((1, 7), dtype=torch.long), use_cache=True).past_key_values
    assert len({layer.keys.shape[-1] for layer in cache.layers}) == 2
    assert state_bytes(model) * 7 == sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert activation_bytes(config, 10) == 10 * 6 * SAVED_BYTES * (32 + 64)


@torch.inference_mode()
def test_state_bytes_are_those_of_a_real_cache(tiny_base: str) -> None:
    model = load_base(tiny_base, quantization="none", purpose="infer").model
    cache = model(torch.arange(10, 17)[None], use_cache=True).past_key_values
    assert state_bytes(model) * 7 == sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)


def test_a_part_of_the_free_memory_is_for_caches() -> None:
    cpu = torch.device("cpu")
    assert 0 < free_memory(cpu) < free_bytes(cpu)


def test_caches_are_bounded_by_the_weights(tiny_base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_base(tiny_base, quantization="none", purpose="infer").model
    weights = sum(p.nbytes for p in model.parameters())
    monkeypatch.setattr(memory, "free_memory", lambda device: 2**40)
    assert cache_memory(model) == memory.LEAST_CACHES
    monkeypatch.setattr(memory, "LEAST_CACHES", 0)
    assert cache_memory(model) == 2 * weights
    monkeypatch.setattr(memory, "free_memory", lambda device: 1000)
    assert cache_memory(model) == 1000


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"), True),
        (RuntimeError("shapes do not match"), False),
    ],
)
def test_out_of_memory_is_distinguished_from_other_errors(error: BaseException, expected: bool) -> None:
    assert out_of_memory(error) == expected


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "MPS backend out of memory (MPS allocated: 5 GB)",
        "HIP out of memory. Tried to allocate 2.00 GiB",
        "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory",
        "DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes.",
    ],
)
def test_every_library_s_way_to_say_it_is_known(text: str) -> None:
    assert out_of_memory(RuntimeError(text))
    assert not out_of_memory(RuntimeError("size mismatch"))


def test_what_torch_keeps_unused_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 70)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 20)
    assert free_bytes(torch.device("cuda")) == 150


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_estimate_of_a_training_pass_is_near_what_is_kept(dtype: torch.dtype) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 256, "intermediate_size": 896, "num_attention_heads": 16, "num_key_value_heads": 4}
    config = LlamaConfig(vocab_size=32, num_hidden_layers=4, **sizes)
    base = LlamaForCausalLM(config).to(dtype).requires_grad_(False)
    model = attach(parse_method("lora", {"rank": 2}), base).train()
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        model(torch.zeros(1, 64, dtype=torch.long))
    found = sum(t.untyped_storage().nbytes() for at, t in kept.items() if at not in weights)
    assert activation_bytes(config, 64) == pytest.approx(found, rel=0.25)
    assert activation_bytes(config, 64, checkpointing=True) < found / 2


def test_a_pass_on_a_cpu_has_as_many_tokens_as_its_threads_need(monkeypatch: pytest.MonkeyPatch) -> None:
    for threads, tokens in {1: 256, 2: 256, 4: 512, 64: 2048}.items():
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert training_pass(2048, torch.device("cpu")) == tokens
    assert training_pass(100, torch.device("cpu")) == 100
    assert training_pass(2048, torch.device("cuda")) == 2048


def test_on_a_gpu_the_libraries_do_not_lie_in_its_memory() -> None:
    needs = memory_needs(16 * 2**30, 5 * 2**30, torch.device("cuda"))
    assert needs == (21 * 2**30, 21 * 2**30, 16 * 2**30)


def test_on_a_cpu_training_for_a_comparison_takes_the_waiting_process_too() -> None:
    cpu, weights, kept = torch.device("cpu"), 2**30, 8 * 2**30
    needs = memory_needs(weights, kept, cpu)
    assert needs.ask == weights + memory.PROCESS
    assert needs.train == training_bytes(weights, kept, cpu) + memory.PROCESS > weights + kept + memory.PROCESS
    assert needs.compare == needs.train + memory.PARENT
    assert training_bytes(weights, kept, cpu) == weights + int(memory.PIECES * kept) + memory.LEARNING
    assert memory_needs(weights, 0, cpu).compare == 3 * weights + memory.PROCESS + memory.ANSWERING
