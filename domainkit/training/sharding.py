"""A frozen base cut over the processes of one run (FSDP): each holds a part of every block's weights, and the adapter whole.

Only the base is large, and frozen weights have neither gradients nor optimizer state: to cut them saves all that FSDP
(arXiv 2304.11277) and ZeRO-3 (arXiv 1910.02054) save here. The adapter is small, and whole in every process, so the loop's
guards, checkpoints and folders are those of one process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from domainkit.errors import ConfigError
from domainkit.training import distributed as ranks

FSDP, DEEPSPEED = "ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"
"""What `accelerate launch` sets for `distributed_type: FSDP` and `DEEPSPEED`."""


@contextmanager
def asked_for() -> Iterator[bool]:
    """Whether `accelerate launch` was asked to cut the base. Raises ConfigError for DeepSpeed.

    While it lasts, accelerate and transformers do not see that they were: they would cut the adapter too, and load the base in
    the first process alone.
    """
    if os.environ.get(DEEPSPEED, "").lower() == "true":
        raise ConfigError(
            "DeepSpeed is not used: of what ZeRO-3 cuts, a frozen base has only weights, and FSDP cuts those",
            where="accelerate launch",
            next_step="use examples/accelerate/fsdp.yaml",
        )
    asked = os.environ.pop(FSDP, None)
    try:
        yield (asked or "").lower() == "true" and ranks.count() > 1
    finally:
        if asked is not None:
            os.environ[FSDP] = asked


def check_can_cut(method: Any, quantization: str) -> None:
    """Raises ConfigError where a cut would save nothing, or where torch cannot cut the weights."""
    if method.kind == "full":
        raise ConfigError(
            "trains every weight of the base, so none of it is frozen and can be cut over processes",
            where="method=full",
            next_step="take another method, or examples/accelerate/multi_gpu.yaml",
        )
    if quantization == "int8":
        raise ConfigError(
            "8-bit weights carry scales that FSDP would cut apart from them",
            where="quantization=int8",
            next_step="set quantization to nf4 or none",
        )


def cut(model: Any, device: torch.device) -> None:
    """Cut the frozen weights of every block over all processes, and move the rest to `device`. Trainable weights stay whole.

    A block's weights are put together when it is run, forward and backward, and dropped after. Embeddings and head stay whole.
    Raises ConfigError for a base that does not name its blocks.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    blocks = _blocks(model)
    trainable = {p for p in model.parameters() if p.requires_grad}
    frozen = {p for block in blocks for p in block.parameters()} - trainable
    _move([p for p in model.parameters() if p not in frozen], device)
    _move(list(model.buffers()), device)
    mesh = init_device_mesh(device.type, (ranks.count(),))
    for block in blocks:
        fully_shard(block, mesh=mesh, reshard_after_forward=True, ignored_params=trainable)


def _blocks(model: Any) -> list[torch.nn.Module]:
    """The modules that transformers keeps in one piece when it spreads a model over devices."""
    names = set(getattr(model.get_base_model(), "_no_split_modules", None) or ())
    found = [m for m in model.modules() if type(m).__name__ in names]
    if not found:
        raise ConfigError(
            "the base does not say what its blocks are, so it cannot be cut over processes",
            where="accelerate launch",
            next_step="use examples/accelerate/multi_gpu.yaml",
        )
    return found


def _move(tensors: list[torch.Tensor], device: torch.device) -> None:
    for tensor in tensors:
        tensor.data = tensor.data.to(device)


__all__ = ["asked_for", "check_can_cut", "cut"]
