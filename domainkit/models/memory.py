"""Memory of a device: how much KV caches may take, and what running out of it looks like."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError, RuntimeError)
"""What may be raised when memory runs out. RuntimeError has other reasons too; `out_of_memory` distinguishes them."""

MEMORY_SIGNS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",  # of CUDA, HIP and MPS
    "cudaerrormemoryallocation",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "hipblas_status_alloc_failed",
)
"""Parts of messages, in small letters."""

KVState = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of one sequence: for each layer two tensors [heads, tokens, width]."""


def out_of_memory(error: BaseException) -> bool:
    """Whether the error means that memory was not enough."""
    # torch and the GPU's libraries raise plain RuntimeErrors too.
    text = str(error).lower()
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(sign in text for sign in MEMORY_SIGNS)


def free_bytes(device: torch.device) -> int:
    """Bytes of the device's memory that are free now."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # torch's, and not in use
        return torch.cuda.mem_get_info(device)[0] + kept
    import psutil

    return psutil.virtual_memory().available


def free_memory(device: torch.device) -> int:
    """Bytes that may be taken. On a CPU other programs share the memory, so more of it is left free."""
    return int(free_bytes(device) * (0.8 if device.type == "cuda" else 0.5))


CACHES_PER_WEIGHTS = 2
"""On a CPU, caches beyond twice the weights bring little: so many rows at once are bound by arithmetic. With
SmolLM2-135M and 64 prompts of 600 tokens each, the peak falls from 2.5 to 1.8 GB, and the time grows by a tenth."""
LEAST_CACHES = 2**30
"""Bytes that caches may always take, where they are free."""


def cache_memory(model: PreTrainedModel) -> int:
    """Bytes that KV caches and prefixes may take beside this model."""
    free = free_memory(model.device)
    if model.device.type == "cuda":
        return free
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    return min(free, max(LEAST_CACHES, CACHES_PER_WEIGHTS * weights))


def state_bytes(model: PreTrainedModel) -> int:
    """Bytes of the keys and values of one token in all layers."""
    widths = map(_state_width, _layers(model.config.get_text_config()))
    return int(2 * sum(widths) * model.dtype.itemsize)


def _state_width(layer: PreTrainedConfig) -> int:
    heads = getattr(layer, "num_key_value_heads", None) or layer.num_attention_heads
    return int(heads * (getattr(layer, "head_dim", None) or layer.hidden_size // layer.num_attention_heads))


def _layers(config: PreTrainedConfig) -> list[PreTrainedConfig]:
    """The configuration of each layer: of some bases, such as Gemma 4, the widths differ by layer."""
    of_layers = getattr(config, "per_layer_config", None)
    return [config if of_layers is None else of_layers[i] for i in range(config.num_hidden_layers)]


TOKENS_PER_THREAD = 128
"""Of a training pass on a CPU: twice as many tokens take twice the memory in nearly the same time. Measured on one
thread with LoRA on six layers of SmolLM2-135M's shape: 1.58 s a step in two passes of about 260 tokens, 1.54 s in
one of 510 and 1.77 s in three of 175."""


def training_pass(most: int, device: torch.device) -> int:
    """Tokens of one training pass, of which there may be `most`: on a CPU no more than keep its threads busy."""
    return most if device.type != "cpu" else min(most, TOKENS_PER_THREAD * max(2, torch.get_num_threads()))


SAVED_BYTES = 18
"""That the backward pass keeps of each token, layer and unit of the hidden and intermediate widths together. Measured
with LoRA on all linear layers: 16 to 19, for the shapes of Llama-3.1, Qwen2.5 and SmolLM2, in float32 and bfloat16."""


def activation_bytes(config: PreTrainedConfig, n_tokens: int, *, checkpointing: bool = False) -> int:
    """An estimate of what a training pass of so many tokens takes beside the weights, without its logits."""
    layers, hidden = _layers(config.get_text_config()), config.get_text_config().hidden_size
    inner = [size if isinstance(size := getattr(c, "intermediate_size", None), int) else 4 * hidden for c in layers]
    saved = [SAVED_BYTES * (hidden + size) for size in inner]
    # Checkpointing keeps each layer's input, in float32 at most, and computes one layer at a time.
    return n_tokens * (max(saved) + 4 * hidden * len(layers) if checkpointing else sum(saved))


PROCESS = int(0.62 * 2**30)
"""Of Python and its libraries, in main memory. Of `ask` on a comparison with SmolLM2-135M, 655 MiB of 1,168 are not the
weights."""
PARENT = int(0.1 * 2**30)
"""Of the process that waits while another one trains for a comparison: 103 MiB were measured."""
ANSWERING = int(0.3 * 2**30)
"""Of prompts read at once, of word counters and sentence vectors, beside KV caches that are full. A comparison with
SmolLM2-135M, whose caches were not, took 2,286 MiB in all while it answered; the rule says 2,480."""
PIECES = 2.2
"""Of memory that a training pass takes on a CPU, for each byte that it keeps by the estimate: the allocator's pieces
and the tensors of the moment."""
LEARNING = int(0.1 * 2**30)
"""On a CPU: the logits of answers, and an adapter with its gradients and optimizer. With both figures the rule for LoRA
in float32 is about 15 % above the peak of a Llama of 30M (890 MiB, a pass of 463 tokens), 9 % above that of
SmolLM2-135M (1,754, of 277) and 1 % above that of a Llama of 362M (2,609, of 122)."""


class Needs(NamedTuple):
    """Bytes at the peak, an estimate."""

    train: int
    compare: int
    """`compare --fit`."""
    ask: int


def training_bytes(weights: int, activations: int, device: torch.device) -> int:
    """Bytes of a base's weights and a training pass of which so much is kept, without the libraries."""
    beside = activations * PIECES + LEARNING if device.type == "cpu" and activations else activations
    return weights + int(beside)


def memory_needs(weights: int, activations: int, device: torch.device) -> Needs:
    """Of a base with `weights` bytes, on its device, when a training pass keeps `activations` bytes.

    On a CPU the libraries lie in the same memory. On a GPU the caches of a comparison take what is free, so they are
    left out.
    """
    train = training_bytes(weights, activations, device)
    if device.type != "cpu":
        return Needs(train, train, weights)
    answering = weights + PROCESS + ANSWERING + max(LEAST_CACHES, CACHES_PER_WEIGHTS * weights)
    return Needs(train + PROCESS, max(train + PROCESS + PARENT, answering), weights + PROCESS)


def collect_freed_memory() -> None:
    """Free what only reference cycles keep alive, such as a model with hooks, and return it to the system."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return_freed_memory()


def return_freed_memory() -> None:
    """Return to the system the freed memory that glibc keeps in the heap of each thread."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)
