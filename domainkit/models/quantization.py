"""Which precision a base's weights get, and NF4 by bitsandbytes' own arithmetic."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast
from weakref import WeakKeyDictionary

import torch
from transformers.pytorch_utils import Conv1D

from domainkit.errors import BaseModelError, ConfigError, MachineError
from domainkit.models import Quantization
from domainkit.models.memory import free_bytes, training_bytes
from domainkit.registry import suggestion
from domainkit.storage import parse_json, read_bytes

if TYPE_CHECKING:
    from bitsandbytes import MatmulLtState
    from transformers import BitsAndBytesConfig, PreTrainedModel

NF4_BLOCK = 64
"""Weights that share one scale, as in QLoRA (arXiv 2305.14314) and as bitsandbytes' default."""
SHARE_TO_NAME = 0.1
"""From this share of the weights on, a note says that they are not quantised."""
HEADROOM = 1.5
"""Free memory that must be there per byte of weights before the weights are kept unpacked."""

NF4_SHARE = 0.3
"""Of the bytes in bfloat16 that a base takes in 4 bits: the head, the embeddings and the scales are not packed."""

Chosen = Literal["nf4", "int8", "none"]


@dataclass(frozen=True, slots=True)
class QuantizationChoice:
    """How a base's weights are stored in memory."""

    name: Chosen
    packed: bool
    """Weights stay in 4 bits. Unpacked NF4 has the same values in the compute dtype."""
    notes: tuple[str, ...]
    """The reason for the choice, for the user."""


_QUANTIZATIONS: WeakKeyDictionary[torch.nn.Module, Chosen] = WeakKeyDictionary()
"""How each loaded base was quantised: unpacked NF4 weights do not show it."""


def record_quantization(model: torch.nn.Module, quantization: Chosen) -> None:
    """Remember how the base was quantised, for `quantization_of`."""
    _QUANTIZATIONS[model] = quantization


def quantization_of(model: torch.nn.Module) -> Chosen:
    """How the base's weights were quantised, packed in memory or not."""
    return _QUANTIZATIONS.get(model) or packing_of(model)


def packing_of(model: torch.nn.Module) -> Chosen:
    """How the base's weights are packed in memory; none when they are not."""
    classes = {type(m).__name__ for m in model.modules() if isinstance(m, torch.nn.Linear)}
    return "nf4" if "Linear4bit" in classes else "int8" if "Linear8bitLt" in classes else "none"


def choose_quantization(
    requested: Quantization,
    device: torch.device,
    parameters: int,
    dtype: torch.dtype,
    *,
    keep_packed: bool = False,
    activations: int = 0,
) -> QuantizationChoice:
    """Resolve "auto" by the memory that is free now; `activations` are the bytes that a training pass keeps.
    Raises ConfigError or MachineError for what cannot be."""
    plain, free = parameters * dtype.itemsize, free_bytes(device)
    tight = activations > 0 and training_bytes(plain, activations, device) > free
    # 4 bits do not help where the pass alone is too large.
    fits = plain * HEADROOM <= free and not (
        tight and training_bytes(int(plain * NF4_SHARE), activations, device) <= free
    )
    dtype_name = str(dtype).removeprefix("torch.")
    beside = f" and {training_bytes(0, activations, device) / 2**30:.1f} GiB for a training pass" if activations else ""
    sizes = f"{plain / 2**30:.1f} GiB in {dtype_name}{beside}, {free / 2**30:.1f} GiB free"
    notes = []
    name = requested
    if requested == "auto":
        name = "none" if fits else "nf4"
        why = "fits, and 4-bit would cost quality and speed" if fits else "does not fit comfortably, 4-bit does"
        notes.append(f"quantization: {name}, since the base {why} ({sizes})")
    if name == "none" and tight:
        notes.append(
            f"the memory may not be enough ({sizes}): set gradient_checkpointing=true or a lower max_tokens_per_pass"
        )
    if name not in ("nf4", "int8", "none"):
        raise ConfigError(
            f"unknown quantization '{requested}'", next_step=suggestion(requested, ("auto", "nf4", "int8", "none"))
        )
    if name != "none" and device.type not in ("cpu", "cuda"):
        raise MachineError(
            f"bitsandbytes cannot quantise on '{device.type}'", next_step="use quantization=none or device=cpu"
        )
    # On a CPU, bitsandbytes unpacks 4-bit weights in every pass.
    packed = name == "nf4" and (keep_packed or device.type != "cpu" or not fits)
    if name == "nf4" and not packed:
        notes.append(f"the NF4 weights are kept unpacked as {dtype_name}: same numbers, faster steps ({sizes})")
    if name == "nf4" and packed and device.type == "cuda" and fits and requested != "auto":
        notes.append(f"the base would fit unquantised ({sizes}): quantization=none is faster")
    return QuantizationChoice(name, packed, tuple(notes))


def saved_quantization(folder: Path) -> Chosen | None:
    """How the base's files hold its weights; None where they are plain. Raises BaseModelError for what is not known."""
    try:
        config = parse_json(read_bytes(folder / "config.json"))
    except (OSError, ValueError):
        return None  # loading the model reports what is wrong with the file
    saved = config.get("quantization_config") if isinstance(config, dict) else None
    if saved is None or (isinstance(saved, dict) and saved.get("quant_method") == "mxfp4"):  # unpacked as it is loaded
        return None
    saved = saved if isinstance(saved, dict) else {"quant_method": saved}
    method = saved.get("quant_method")
    if method == "bitsandbytes" and saved.get("load_in_8bit"):
        return "int8"
    if method == "bitsandbytes" and saved.get("load_in_4bit") and saved.get("bnb_4bit_quant_type") == "nf4":
        return "nf4"
    kind = f" ({saved.get('bnb_4bit_quant_type')})" if method == "bitsandbytes" else ""
    raise BaseModelError(
        f"its weights are saved quantised by {method}{kind}, which is neither trained nor served here",
        where=str(folder),
        next_step="use the base's unquantised weights",
    )


def choose_saved(requested: Quantization, saved: Chosen) -> QuantizationChoice:
    """The quantisation of a base whose files are quantised. Raises ConfigError when another one is requested."""
    if requested not in ("auto", saved):
        bits = "4" if saved == "nf4" else "8"
        raise ConfigError(
            f"the base is saved in {bits} bits, and its original weights are not in its files",
            where=f"quantization={requested}",
            next_step=f"use quantization={saved}, or name the base that it was made from",
        )
    return QuantizationChoice(saved, True, (f"quantization: {saved}, as the base is saved",))


def bitsandbytes_config(name: Literal["nf4", "int8"], dtype: torch.dtype) -> BitsAndBytesConfig:
    from transformers import BitsAndBytesConfig

    if name == "int8":
        # bitsandbytes warns of the cast to float16 in every layer of every pass.
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def picks_outliers(model: torch.nn.Module) -> bool:
    """Whether layers choose by the whole pass which columns of their inputs they do not round (LLM.int8, arXiv
    2208.07339): a row's numbers then depend on the other rows. A short trial need not hold an outlier."""
    layers = (m for m in model.modules() if type(m).__name__ == "Linear8bitLt")
    return any(cast("MatmulLtState", layer.state).threshold > 0 for layer in layers)


def quantised_layers(model: PreTrainedModel) -> dict[str, torch.nn.Module]:
    """The layers that bitsandbytes quantises: plain linear ones and GPT-2's, but for the head and those that
    transformers keeps exact (T5's `wo`). A base's own kinds of linear layers (Falcon's) are not among them."""
    head, exact = model.get_output_embeddings(), set(getattr(model, "_keep_in_fp32_modules", None) or ())
    found = {name: m for name, m in model.named_modules() if type(m) in (torch.nn.Linear, Conv1D) and m is not head}
    return {name: m for name, m in found.items() if not exact & set(name.split("."))}


def stored_weight(layer: torch.nn.Module) -> torch.Tensor:
    """The layer's weight as (out, in), which is how it is quantised; a view."""
    weight = cast("torch.Tensor", layer.weight).data
    return weight.T if type(layer) is Conv1D else weight


def unquantised_note(model: PreTrainedModel, quantization: Chosen) -> str | None:
    """What the user must know of a base whose experts bitsandbytes leaves as they are."""
    total = sum(p.numel() for p in model.parameters())
    experts = sum(p.numel() for p in model.parameters() if p.dim() == 3)
    if quantization == "none" or experts < SHARE_TO_NAME * total:
        return None
    dtype = str(model.dtype).removeprefix("torch.")
    return f"quantization={quantization} leaves the experts, {experts / total:.0%} of the weights, in {dtype}"


@torch.no_grad()
def round_to_nf4(model: PreTrainedModel) -> None:
    """Replace every quantised layer's weights by their NF4 values (double quantisation), in place, in their own
    dtype."""
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    for layer in quantised_layers(model).values():
        weight = stored_weight(layer)
        packed, state = quantize_4bit(
            weight.contiguous(), blocksize=NF4_BLOCK, compress_statistics=True, quant_type="nf4"
        )
        weight.copy_(dequantize_4bit(packed, state))
