"""A frozen base sharded over the processes of one run (FSDP). The adapter stays whole in every process.

Only the base is large, and frozen weights have neither gradients nor optimizer state. Sharding them saves all that FSDP
(arXiv 2304.11277) and ZeRO-3 (arXiv 1910.02054) save here. With the whole adapter in every process, guards, checkpoints
and adapter folders are the same as in a run of one process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from domainkit.adapters.adaptation import Adaptation
from domainkit.errors import ConfigError
from domainkit.training.distributed import world_size

if TYPE_CHECKING:
    from domainkit.adapters.tuned_model import AdaptedModel

FSDP, DEEPSPEED = "ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"
"""What `accelerate launch` sets for `distributed_type: FSDP` and `DEEPSPEED`."""


@contextmanager
def sharding_requested() -> Iterator[bool]:
    """Whether `accelerate launch` asks for a sharded base. Raises ConfigError for DeepSpeed.

    While the context is open, the request is hidden from accelerate and transformers: they would shard the adapter too,
    and load the base in the first process only.
    """
    if os.environ.get(DEEPSPEED, "").lower() == "true":
        raise ConfigError(
            "DeepSpeed is not supported: a frozen base has only weights to shard, and FSDP shards those",
            where="accelerate launch",
            next_step="use examples/accelerate/fsdp.yaml",
        )
    setting = os.environ.pop(FSDP, None)
    try:
        yield (setting or "").lower() == "true" and world_size() > 1
    finally:
        if setting is not None:
            os.environ[FSDP] = setting


def check_can_shard(method: Adaptation, quantization: str) -> None:
    """Raises ConfigError where sharding would save nothing, or where torch cannot shard the weights."""
    if not method.base_can_be_sharded:
        raise ConfigError(
            "trains every weight of the base, so no frozen weight is left to shard over processes",
            where=f"method={method.kind}",
            next_step="choose another method, or examples/accelerate/multi_gpu.yaml",
        )
    if quantization == "int8":
        raise ConfigError(
            "8-bit weights carry scales from which FSDP would separate them",
            where="quantization=int8",
            next_step="set quantization to nf4 or none",
        )


def shard(model: AdaptedModel, device: torch.device) -> None:
    """Shard the frozen weights of every block over all processes, and move all other weights to `device`.

    A block's weights are gathered when it runs, forward and backward, and freed after it. Embeddings and head stay
    whole. Raises ConfigError for a base that does not name its blocks.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    blocks = _blocks(model)
    trainable = {p for p in model.parameters() if p.requires_grad}
    frozen = {p for block in blocks for p in block.parameters()} - trainable
    _move([p for p in model.parameters() if p not in frozen], device)
    _move(model.buffers(), device)
    mesh = init_device_mesh(device.type, (world_size(),))
    for block in blocks:
        fully_shard(block, mesh=mesh, reshard_after_forward=True, ignored_params=trainable)


def _blocks(model: AdaptedModel) -> list[torch.nn.Module]:
    """The modules that transformers keeps on one device when it spreads a model over several."""
    names = set(getattr(model.get_base_model(), "_no_split_modules", None) or ())
    blocks = [m for m in model.modules() if type(m).__name__ in names]
    if not blocks:
        raise ConfigError(
            "the base does not name its blocks, so it cannot be sharded over processes",
            where="accelerate launch",
            next_step="use examples/accelerate/multi_gpu.yaml",
        )
    return blocks


def _move(tensors: Iterable[torch.Tensor], device: torch.device) -> None:
    for tensor in tensors:
        tensor.data = tensor.data.to(device)
