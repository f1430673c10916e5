"""Loading a folder that PEFT wrote: its tensors are checked before any of them reaches the base.

PEFT loads whatever the file names, the base's own weights included, and only warns of what is missing.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from domainkit.adapters.adaptation import LARGEST_WIDTH
from domainkit.adapters.folder import PEFT_CONFIG, WEIGHTS, read_tensor_shapes
from domainkit.adapters.peft_config import read_peft_config
from domainkit.adapters.peft_patches import apply_peft_patches
from domainkit.errors import AdapterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from peft import PeftConfig, PeftModel
    from transformers import PreTrainedModel


def load_peft_adapter(
    model: PreTrainedModel,
    folder: str | Path,
    name: str = "default",
    *,
    host: PeftModel | None = None,
    trainable: bool = False,
) -> PeftModel:
    """`model` with the adapter of `folder`; `host` is PEFT's wrapper when there are others of its type already.

    Raises AdapterError for tensors that are missing, not finite, or not the adapter's, and PEFT's errors. After an
    error the base may hold parts of the adapter.
    """
    from peft import MODEL_TYPE_TO_PEFT_MODEL_MAPPING, PeftModel, set_peft_model_state_dict
    from peft.utils.save_and_load import load_peft_weights

    apply_peft_patches()
    config = read_peft_config(folder)
    _check_sizes(config, Path(folder))
    if trainable and config.is_prompt_learning:
        raise AdapterError("virtual tokens of a saved adapter cannot be trained further", where=str(folder))
    config.inference_mode = not trainable
    if host is None:
        wrapper = MODEL_TYPE_TO_PEFT_MODEL_MAPPING.get(cast(str, config.task_type), PeftModel)
        host = wrapper(model, config, name)
    else:
        host._check_new_adapter_config(config, is_trainable=trainable)
        host.add_adapter(name, config)
    # Some models name their weights in another way than their files do.
    renamed = {} if config.is_prompt_learning else getattr(model, "_checkpoint_conversion_mapping", {})
    stored = load_peft_weights(str(folder), device=str(model.device), key_mapping=renamed)
    weights = _own_weights(host, stored, folder, name)
    tuner: Any = host.base_model  # PEFT's tuner of this type; for virtual tokens the base
    with tuner._temporarily_active(name) if config.is_adaption_prompt else nullcontext():
        set_peft_model_state_dict(host, weights, adapter_name=name)
    if not config.is_prompt_learning:
        tuner._cast_adapter_dtype(adapter_name=name, autocast_adapter_dtype=True)
    if not trainable:
        host.eval()
    return host


SIZES = ("r", "init_r", "num_virtual_tokens", "num_tasks", "num_ranks", "num_layers")


def _check_sizes(config: PeftConfig, folder: Path) -> None:
    """Raises AdapterError for a size that no tensor of the file has: PEFT would fill the memory with such layers."""
    largest = max((size for shape in read_tensor_shapes(folder).values() for size in shape), default=0)
    sizes = {name: getattr(config, name, None) for name in SIZES}
    sizes |= {f"rank_pattern.{k}": v for k, v in (getattr(config, "rank_pattern", None) or {}).items()}
    for name, size in sizes.items():
        if isinstance(size, int) and size > max(largest, LARGEST_WIDTH):
            raise AdapterError(
                f"{name}={size} in {PEFT_CONFIG}, and no tensor of {WEIGHTS} is larger than {largest}",
                where=str(folder),
                next_step="copy the folder again, or train again",
            )


def _own_weights(
    host: PeftModel, stored: Mapping[str, torch.Tensor], folder: str | Path, name: str
) -> dict[str, torch.Tensor]:
    """The tensors of the file, which are exactly those of the adapter, and finite."""
    from peft import get_peft_model_state_dict

    # Not "auto": that asks the hub whether the base's vocabulary has grown.
    own = get_peft_model_state_dict(host, adapter_name=name, save_embedding_layers=False)
    for key in sorted(stored.keys() - own.keys()):
        # PEFT saves the base's embeddings beside an adapter of theirs. The same numbers change nothing.
        if not _repeats_embeddings(host, key, stored[key]):
            raise AdapterError(
                f"{WEIGHTS} holds {key}, which is not a tensor of this adapter: it would change the base for everybody",
                where=str(folder),
                next_step="save the adapter again with save_pretrained, or name the module in modules_to_save",
            )
    missing = sorted(own.keys() - stored.keys())
    if missing:
        raise AdapterError(
            f"its weights are incomplete: {len(missing)} are missing, {missing[0]} among them",
            where=str(folder),
            next_step="copy the folder again, or train again",
        )
    weights = {key: stored[key] for key in own}
    check_finite(weights, folder)
    return weights


def _repeats_embeddings(host: PeftModel, key: str, tensor: torch.Tensor) -> bool:
    """Whether the tensor is that of the base's embeddings or head, to the bit."""
    base = cast("PreTrainedModel", host.get_base_model())
    layers = [base.get_input_embeddings(), base.get_output_embeddings()]
    try:
        own = host.get_parameter(key)
    except AttributeError:
        return False
    if not any(own is weight for layer in layers if layer is not None for weight in layer.parameters()):
        return False
    return tensor.shape == own.shape and torch.equal(tensor.to(own.dtype), own)


def check_finite(weights: Mapping[str, torch.Tensor], folder: str | Path) -> None:
    """Raises AdapterError for NaN or infinity: every answer would be empty."""
    bad = [key for key, tensor in weights.items() if not bool(tensor.isfinite().all())]
    if bad:
        raise AdapterError(
            f"{WEIGHTS} holds numbers that are not finite, in {min(bad)}",
            where=str(folder),
            next_step="train again with a lower learning_rate, or copy the folder again",
        )
