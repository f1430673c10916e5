"""Load a base model: packaged, local folder, GGUF or hub; in 4 bits, 8 bits or plain."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from domainkit.errors import BaseModelError, ConfigError, MachineError, first_line
from domainkit.library_logs import quiet_bars
from domainkit.models import Quantization
from domainkit.models.encoder_decoder import read_architecture
from domainkit.models.gguf import model_folder, read_shape
from domainkit.models.memory import Needs, activation_bytes, memory_needs, out_of_memory, training_pass
from domainkit.models.quantization import (
    Chosen,
    bitsandbytes_config,
    choose_quantization,
    choose_saved,
    record_quantization,
    round_to_nf4,
    saved_quantization,
    unquantised_note,
)
from domainkit.models.source import BaseSource, count_parameters, resolve_base
from domainkit.models.templates.chat_template import ChatTemplate
from domainkit.models.tokenizer import load_chat_template, set_stop_tokens
from domainkit.progress import stage
from domainkit.registry import suggestion

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class LoadedBase:
    """A base model in memory, all weights frozen."""

    model: Any
    """A transformers model. Its class, and so what it can do, is known only when it is loaded."""
    chat_template: ChatTemplate
    source: BaseSource
    folder: Path
    """Where its safetensors are."""
    quantization: Chosen
    """What "auto" became."""
    stop_token_ids: tuple[int, ...]
    """They end an answer."""
    notes: tuple[str, ...]
    """What was chosen and added, for the user."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self.chat_template.tokenizer

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def parameters(self) -> int:
        """Number of weights, counted unpacked."""
        return count_parameters(self.folder)

    @property
    def context_length(self) -> int:
        """Most tokens the base was made for."""
        return int(getattr(self.model.config.get_text_config(), "max_position_embeddings", None) or 2048)


def load_base(
    base: str,
    *,
    revision: str | None = None,
    quantization: Quantization = "auto",
    device: str = "auto",
    purpose: Literal["train", "infer"] = "train",
    keep_packed: bool = False,
    shards: int = 1,
    tokens_per_pass: int = 0,
    checkpointing: bool = False,
) -> LoadedBase:
    """Load `base` with frozen weights: float32 on a CPU, bfloat16 on a GPU that has it.

    On a CPU, NF4 weights are rounded to NF4 and kept unpacked when memory allows: the same numbers as packed ones,
    without unpacking them in every step. `keep_packed` keeps them packed. "auto" also leaves room for training passes
    of `tokens_per_pass` tokens, with or without gradient checkpointing. With several `shards` the weights stay in main
    memory, and each process takes its shard from there. Raises BaseModelError, or MachineError for what this machine
    cannot do.
    """
    source = resolve_base(base, revision)
    folder = model_folder(source)
    compute_device = pick_device(device)
    dtype = _compute_dtype(compute_device)
    parameters, saved = count_parameters(folder) // shards, saved_quantization(folder)
    template, template_notes = load_chat_template(folder)
    tokens = training_pass(tokens_per_pass, compute_device)
    activations = activation_bytes(_config(folder), tokens, checkpointing=checkpointing)
    choice = (
        choose_saved(quantization, saved)
        if saved
        else choose_quantization(
            quantization, compute_device, parameters, dtype, keep_packed=keep_packed, activations=activations
        )
    )
    load_device = torch.device("cpu") if shards > 1 else compute_device
    rounded = choice.name == "nf4" and not choice.packed
    model = _load_model(folder, load_device, dtype, "none" if rounded else choice.name, saved=saved is not None)
    if rounded:
        round_to_nf4(model)
    model.requires_grad_(False)
    record_quantization(model, choice.name)
    model.config.use_cache = purpose == "infer"
    model.train(purpose == "train")
    stops, stop_notes = set_stop_tokens(model, template)
    left = unquantised_note(model, choice.name)
    notes = (*choice.notes, *([left] if left else ()), *template_notes, *stop_notes)
    return LoadedBase(model, template, source, folder, choice.name, stops, notes)


def _config(folder: Path) -> PreTrainedConfig:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(str(folder), trust_remote_code=False)


def plan_quantization(
    base: str, *, revision: str | None = None, quantization: Quantization = "auto", device: str = "auto"
) -> Chosen:
    """What `load_base` would choose now; loads no weights. Raises what it would raise."""
    folder = model_folder(resolve_base(base, revision))
    compute_device = pick_device(device)
    if saved := saved_quantization(folder):
        return choose_saved(quantization, saved).name
    dtype = _compute_dtype(compute_device)
    return choose_quantization(quantization, compute_device, count_parameters(folder), dtype).name


def plan_memory(base: str, *, tokens_per_pass: int, device: str = "auto") -> Needs:
    """What training (passes of so many tokens), comparing and asking take with this base, unquantised; loads no
    weights. Raises what `load_base` would raise for a base that is not there."""
    source, on = resolve_base(base), pick_device(device)
    if source.path.is_file():  # it may not be unpacked yet
        parameters, config = read_shape(source.path)
    else:
        parameters, config = count_parameters(source.path), _config(source.path)
    weights = parameters * _compute_dtype(on).itemsize
    return memory_needs(weights, activation_bytes(config, training_pass(tokens_per_pass, on)), on)


def pick_device(device: str = "auto") -> torch.device:
    """The torch device of a name; "auto" is the GPU when there is one."""
    if device == "auto":
        # Under `accelerate launch`, each process has a GPU of its own.
        gpu = f"cuda:{os.environ['LOCAL_RANK']}" if "LOCAL_RANK" in os.environ else "cuda"
        device = gpu if torch.cuda.is_available() else "cpu"
    try:
        picked = torch.device(device)
    except RuntimeError as e:
        raise ConfigError(
            f"unknown device '{device}'", next_step=suggestion(device, ("auto", "cpu", "cuda", "mps"))
        ) from e
    if picked.type == "cuda" and not torch.cuda.is_available():
        raise MachineError("no CUDA device here", where=f"device={device}", next_step="use device=cpu")
    return picked


def _compute_dtype(device: torch.device) -> torch.dtype:
    # bfloat16 is three times slower on CPUs without it. On old GPUs float16 could overflow, so they get float32 too.
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if bf16 else torch.float32


def _load_model(folder: Path, device: torch.device, dtype: torch.dtype, quantization: Chosen, *, saved: bool) -> Any:
    import transformers

    options: dict[str, object] = {"dtype": dtype, "use_safetensors": True, "trust_remote_code": False}
    if quantization != "none":
        options["device_map"] = {"": device}
        if not saved:
            options["quantization_config"] = bitsandbytes_config(quantization, dtype)
    with stage(f"loading {folder.name}"), quiet_bars():
        try:
            model_class = getattr(transformers, read_architecture(folder).loader)
            model, found = model_class.from_pretrained(str(folder), output_loading_info=True, **options)
        except Exception as e:  # whatever a configuration of other types makes transformers raise
            if out_of_memory(e):
                raise MachineError(
                    "there is not enough memory for the base", where=str(folder), next_step="use quantization=nf4"
                ) from e
            raise BaseModelError(
                f"cannot be loaded: {first_line(e)}",
                where=str(folder),
                next_step="check the folder; code inside a model folder is never run",
            ) from e
    missing = sorted(found["missing_keys"])
    if missing:  # transformers would make them up
        raise BaseModelError(
            f"cannot be loaded: {len(missing)} weights are missing, {missing[0]} among them",
            where=str(folder),
            next_step="copy the folder again, or correct the sizes in its config.json",
        )
    _keep_differentiable(model)
    return model if quantization != "none" else model.to(device)


def _keep_differentiable(model: Any) -> None:
    """Keep bitsandbytes from repacking 4-bit layers on CPUs with AVX512-BF16.

    bitsandbytes 0.50 repacks such a layer at its first pass in eval mode. Every later pass then runs through gemv_4bit,
    which computes in bfloat16 and has no backward: training would lose its gradients, and packed and unpacked NF4 would
    differ.
    """
    for layer in model.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False
