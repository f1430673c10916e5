"""Load a base model: packaged, local folder, GGUF or hub; 4-bit, 8-bit or plain; its end-of-answer tokens mended."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from domainkit.errors import BaseModelError, ConfigError, MachineError
from domainkit.models import Quantization
from domainkit.models.chat_template import closing_token_id, open_answers_with, stop_token_ids
from domainkit.models.encoder_decoder import PAIR_NOTE, PAIR_TEMPLATE, check_form, opening_token_id
from domainkit.models.gguf import unpacked
from domainkit.models.source import BaseSource, count_parameters, resolve_base
from domainkit.registry import near

NF4_BLOCK = 64
"""Weights that share one scale, as in QLoRA (arXiv 2305.14314) and bitsandbytes' default."""
HEADROOM = 1.5
"""Free memory wanted per byte of weights before weights are kept unpacked."""

PLAIN_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] | capitalize }}: {{ m['content'] }}"
    "{{ eos_token if m['role'] == 'assistant' else '' }}\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant: {% endif %}"
)
"""For bases that come without a chat template."""
PAD_SPELLINGS = ("<|pad|>", "<pad>", "[PAD]", "<|finetune_right_pad_id|>", "<|endoftext|>", "<unk>")


@dataclass(frozen=True, slots=True)
class LoadedBase:
    """A base model in memory, all weights frozen, read from `folder`.

    `quantization` is what "auto" became; `stop_token_ids` end an answer; `notes` say what was chosen and mended.
    """

    model: Any
    tokenizer: Any
    source: BaseSource
    folder: Path
    quantization: Literal["nf4", "int8", "none"]
    stop_token_ids: tuple[int, ...]
    notes: tuple[str, ...]

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
) -> LoadedBase:
    """Load `base` with frozen weights: float32 on a CPU, bfloat16 on a GPU that has it.

    On a CPU, NF4 weights are rounded to NF4 and kept unpacked when memory allows: the same numbers as packed ones, without
    unpacking them at every step; `keep_packed` keeps them packed. With several `shards` the weights stay in main memory, from
    where each process takes its shard. Raises BaseModelError, or MachineError for what this machine cannot do.
    """
    source = resolve_base(base, revision)
    folder = unpacked(source.path, source.fingerprint) if source.path.is_file() else source.path
    where = pick_device(device)
    dtype = _compute_dtype(where)
    chosen, packed, notes = _plan(quantization, where, count_parameters(folder) // shards, dtype, keep_packed)
    tokenizer, told = load_tokenizer(folder)
    model = _load_model(
        folder, torch.device("cpu") if shards > 1 else where, dtype, chosen if packed or chosen == "int8" else "none"
    )
    if chosen == "nf4" and not packed:
        round_to_nf4(model)
    model.requires_grad_(False)
    model.domainkit_quantization = chosen  # unpacked NF4 weights do not show it
    model.config.use_cache = purpose == "infer"
    model.train(purpose == "train")
    stops, mended = _mend_stops(model, tokenizer)
    return LoadedBase(model, tokenizer, source, folder, chosen, stops, (*notes, *told, *mended))


def plan_quantization(
    base: str, *, revision: str | None = None, quantization: Quantization = "auto", device: str = "auto"
) -> Literal["nf4", "int8", "none"]:
    """What `load_base` would choose now; loads no weights. Raises what it would raise."""
    source = resolve_base(base, revision)
    folder = unpacked(source.path, source.fingerprint) if source.path.is_file() else source.path
    where = pick_device(device)
    return _plan(quantization, where, count_parameters(folder), _compute_dtype(where), keep_packed=False)[0]


# ---- device and quantisation -------------------------------------------------------------------------------------------


def pick_device(device: str = "auto") -> torch.device:
    if device == "auto":
        # Under `accelerate launch`, each process has a GPU of its own.
        own = f"cuda:{os.environ['LOCAL_RANK']}" if "LOCAL_RANK" in os.environ else "cuda"
        device = own if torch.cuda.is_available() else "cpu"
    try:
        picked = torch.device(device)
    except RuntimeError as e:
        raise ConfigError(f"unknown device '{device}'", next_step=near(device, ("auto", "cpu", "cuda", "mps"))) from e
    if picked.type == "cuda" and not torch.cuda.is_available():
        raise MachineError("no CUDA device here", where=f"device={device}", next_step="use device=cpu")
    return picked


def _compute_dtype(device: torch.device) -> torch.dtype:
    """float32 off the GPU (bfloat16 is three times slower on CPUs without it); float32, not float16, on old GPUs: no overflow."""
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if bf16 else torch.float32


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    import psutil

    return psutil.virtual_memory().available


def _plan(
    asked: Quantization, device: torch.device, parameters: int, dtype: torch.dtype, keep_packed: bool
) -> tuple[Literal["nf4", "int8", "none"], bool, list[str]]:
    """(quantisation, whether weights stay packed, what to tell)."""
    plain = parameters * dtype.itemsize
    roomy = plain * HEADROOM <= _free_bytes(device)
    name = str(dtype).removeprefix("torch.")
    sizes = f"{plain / 2**30:.1f} GiB in {name}, {_free_bytes(device) / 2**30:.1f} GiB free"
    notes = []
    chosen = asked
    if asked == "auto":
        chosen = "none" if roomy else "nf4"
        why = "fits, and 4-bit would cost quality and speed" if roomy else "does not fit comfortably, 4-bit does"
        notes.append(f"quantization: {chosen}, since the base {why} ({sizes})")
    if chosen not in ("nf4", "int8", "none"):
        raise ConfigError(f"unknown quantization '{asked}'", next_step=near(asked, ("auto", "nf4", "int8", "none")))
    if chosen != "none" and device.type not in ("cpu", "cuda"):
        raise MachineError(
            f"bitsandbytes cannot quantise on '{device.type}'", next_step="use quantization=none or device=cpu"
        )
    packed = chosen == "nf4" and (keep_packed or device.type != "cpu" or not roomy)
    if chosen == "nf4" and not packed:
        notes.append(f"the NF4 weights are kept unpacked as {name}: same numbers, faster steps ({sizes})")
    if chosen == "nf4" and packed and device.type == "cuda" and roomy and asked != "auto":
        notes.append(f"the base would fit unquantised ({sizes}): quantization=none is faster")
    return chosen, packed, notes


def _load_model(folder: Path, device: torch.device, dtype: torch.dtype, quantization: str) -> Any:
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    kind: Any = AutoModelForCausalLM if opening_token_id(folder) is None else AutoModelForSeq2SeqLM
    options: dict[str, Any] = {"dtype": dtype, "use_safetensors": True, "trust_remote_code": False}
    if quantization != "none":
        options |= {"quantization_config": _bitsandbytes_config(quantization, dtype), "device_map": {"": device}}
    with quiet_progress():
        try:
            model: Any = kind.from_pretrained(str(folder), **options)
        except torch.cuda.OutOfMemoryError as e:
            raise MachineError(
                "the base does not fit into the GPU's memory", where=str(folder), next_step="use quantization=nf4"
            ) from e
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as e:
            raise BaseModelError(
                f"cannot be loaded: {e}",
                where=str(folder),
                next_step="check the folder; code inside a model folder is never run",
            ) from e
    _keep_differentiable(model)
    return model if quantization != "none" else model.to(device)


def _keep_differentiable(model: Any) -> None:
    """Keep bitsandbytes from repacking 4-bit layers on CPUs with AVX512-BF16.

    bitsandbytes 0.50 repacks such a layer at its first pass in eval mode. Every later pass then runs through gemv_4bit, which
    computes in bfloat16 and has no backward: training would lose its gradients, and packed and unpacked NF4 would differ.
    """
    for layer in model.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False


def quiet_progress() -> Any:
    """No weight-loading bars while a model loads; the caller's setting is put back."""
    from contextlib import contextmanager

    from transformers.utils import logging

    @contextmanager
    def quiet() -> Iterator[None]:
        shown = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            if shown:
                logging.enable_progress_bar()

    return quiet()


def _bitsandbytes_config(quantization: str, dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    if quantization == "int8":
        # It would tell of the cast to float16 at every layer of every pass.
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def quantised_layers(model: Any) -> dict[str, torch.nn.Linear]:
    """The linear layers that bitsandbytes quantises: all but the head, and those that transformers keeps exact (T5's `wo`)."""
    head, exact = model.get_output_embeddings(), set(getattr(model, "_keep_in_fp32_modules", None) or ())
    layers = {name: m for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and m is not head}
    return {name: m for name, m in layers.items() if not exact & set(name.split("."))}


@torch.no_grad()
def round_to_nf4(model: Any) -> None:
    """Replace every quantised layer's weights by their NF4 values (double quantisation), in place, in their own dtype."""
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    for layer in quantised_layers(model).values():
        packed, state = quantize_4bit(
            layer.weight.data, blocksize=NF4_BLOCK, compress_statistics=True, quant_type="nf4"
        )
        layer.weight.data.copy_(dequantize_4bit(packed, state))


# ---- tokenizer and stop tokens -----------------------------------------------------------------------------------------


def load_tokenizer(folder: Path) -> tuple[Any, list[str]]:
    """(tokenizer, what was mended): it has a chat template, an end-of-text token and a pad token; embeddings are untouched."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    except (OSError, ValueError, KeyError) as e:
        raise BaseModelError(
            f"has no readable tokenizer: {e}",
            where=str(folder),
            next_step="put the tokenizer's files into the model folder",
        ) from e
    notes = []
    opening = opening_token_id(folder)
    if opening is not None:
        check_form(tokenizer, folder)
        open_answers_with(tokenizer, opening)
    if not tokenizer.chat_template and opening is not None:
        tokenizer.chat_template = PAIR_TEMPLATE
        notes.append(PAIR_NOTE)
    elif not tokenizer.chat_template:
        if tokenizer.eos_token is None:
            raise BaseModelError(
                "has neither a chat template nor an EOS token, so no answer could end",
                where=str(folder),
                next_step="use an instruction-tuned base, or add a chat template to its tokenizer",
            )
        tokenizer.chat_template = PLAIN_TEMPLATE
        notes.append(
            "the base has no chat template: turns are written as 'User: …' and 'Assistant: …', closed by its EOS token"
        )
    if tokenizer.pad_token is None:
        known = tokenizer.get_vocab()
        tokenizer.pad_token = next((s for s in PAD_SPELLINGS if s in known), tokenizer.eos_token)
        notes.append(f"the tokenizer has no pad token: padding uses '{tokenizer.pad_token}'")
    return tokenizer, notes


def _mend_stops(model: Any, tokenizer: Any) -> tuple[tuple[int, ...], list[str]]:
    """Make the tokenizer, the template and the model's configuration agree on what ends an answer."""
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise BaseModelError(
            f"the tokenizer knows {len(tokenizer)} tokens, the model {rows}",
            next_step="use the tokenizer that belongs to this model",
        )
    stops = stop_token_ids(tokenizer)
    notes = []
    if not stops:
        raise BaseModelError(
            "neither the chat template nor the tokenizer says what ends an answer",
            next_step="use an instruction-tuned base",
        )
    closing = closing_token_id(tokenizer)
    if closing is not None and tokenizer.eos_token_id not in (None, closing):
        closes, eos = tokenizer.convert_ids_to_tokens([closing, tokenizer.eos_token_id])
        notes.append(f"the chat template ends an answer with '{closes}', the tokenizer with '{eos}': both stop it")
    listed = model.generation_config.eos_token_id
    listed = [listed] if isinstance(listed, int) else list(listed or [])
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    stops = tuple(dict.fromkeys([*stops, *(i for i in listed if i in special)]))
    if set(listed) != set(stops):
        notes.append(f"the base's configuration stopped at token {listed or 'none'}: it now stops at {list(stops)}")
    model.generation_config.eos_token_id = list(stops)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.config.eos_token_id = stops[0]
    model.config.pad_token_id = tokenizer.pad_token_id
    return stops, notes


__all__ = [
    "BaseSource",
    "LoadedBase",
    "load_base",
    "load_tokenizer",
    "pick_device",
    "plan_quantization",
    "quantised_layers",
    "resolve_base",
    "round_to_nf4",
]
