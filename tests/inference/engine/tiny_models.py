"""Tiny models of several kinds, and one pass over slots that is checked against the plain model."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

from domainkit.inference.engine.batched_runner import BatchedRunner
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.kv_cache import CacheSlot
from domainkit.inference.engine.model_runner import Runner, make_runner
from domainkit.inference.engine.prefix_cache import common_length
from domainkit.inference.engine.trial import allocated
from domainkit.models.memory import KVState

SIZES: dict[str, Any] = {
    "vocab_size": 100,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
MODELS = {
    "llama": ("LlamaForCausalLM", "LlamaConfig", SIZES),
    "mistral": ("MistralForCausalLM", "MistralConfig", {**SIZES, "sliding_window": 4}),
    "gemma3": (
        "Gemma3ForCausalLM",
        "Gemma3TextConfig",
        {**SIZES, "head_dim": 8, "sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]},
    ),
    "gpt2": (
        "GPT2LMHeadModel",
        "GPT2Config",
        {
            "vocab_size": 100,
            "n_embd": 32,
            "n_layer": 2,
            "n_head": 4,
            "n_positions": 24,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
    ),
    "lfm2": ("Lfm2ForCausalLM", "Lfm2Config", {**SIZES, "layer_types": ["conv", "full_attention"]}),
}
PROBE = list(range(20, 28))
BOUNDARY = 64
"""Of the tiny LongRoPE model: longer rows have other rotary frequencies."""


def build(name: str) -> Any:
    import transformers

    model, config, sizes = MODELS[name]
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(transformers, model)(getattr(transformers, config)(**sizes)).eval()


def build_longrope() -> Any:
    from transformers import Phi3Config, Phi3ForCausalLM

    torch.manual_seed(0)
    rope = {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "short_factor": [1.0] * 4,
        "long_factor": [3.0, 5.0, 9.0, 20.0],
        "original_max_position_embeddings": BOUNDARY,
        "partial_rotary_factor": 1.0,
    }
    sizes = {**SIZES, "vocab_size": 260, "initializer_range": 0.5, "max_position_embeddings": 512}
    config = Phi3Config(**sizes, original_max_position_embeddings=BOUNDARY, rope_parameters=rope)
    return Phi3ForCausalLM(config).eval().requires_grad_(False)


def batched_runner(model: Any) -> BatchedRunner:
    """The model's runner, with an empty cache."""
    runner, why = make_runner(model, PROBE)
    assert isinstance(runner, BatchedRunner), why
    runner.clear()
    return runner


def some_tokens(start: int, count: int) -> list[int]:
    return [(7 * i + start) % 90 + 3 for i in range(count)]


def read(runner: Runner, rows: dict[CacheSlot, list[int]], logits_wanted: int = 1) -> torch.Tensor:
    """One pass after which each slot holds its tokens; float [slots, positions, vocabulary]."""
    chunks = []
    for slot, tokens in rows.items():
        n_cached = common_length(np.asarray(slot.tokens), np.asarray(tokens))
        start = min(n_cached, len(tokens) - logits_wanted)
        chunks.append(Chunk(slot, tokens[start:], start, logits_wanted))
    return runner.forward(chunks)


def check(model: Any, runner: Runner, rows: dict[CacheSlot, list[int]], logits_wanted: int = 1) -> None:
    """The logits of one pass over all slots are those of the plain model for each."""
    logits = read(runner, rows, logits_wanted)
    for row, tokens in zip(logits, rows.values(), strict=True):
        plain = model(torch.tensor([tokens]), use_cache=False).logits[0, -logits_wanted:]
        torch.testing.assert_close(row[-logits_wanted:], plain, rtol=1e-4, atol=1e-5)


def state_of(runner: BatchedRunner, tokens: list[int]) -> KVState:
    """The state of these tokens, computed in a slot of their own."""
    with allocated(runner, [len(tokens)]) as [slot]:
        read(runner, {slot: tokens})
        return runner.copy_state(slot, len(tokens))
