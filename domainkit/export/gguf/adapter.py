"""A LoRA adapter as a GGUF file that llama.cpp adds to its base: `--lora FILE`, or ADAPTER in an Ollama Modelfile.

llama.cpp computes Wx + (alpha / rank) B(Ax) with one alpha for the file and each tensor's own rank
(src/llama-adapter.cpp). So rsLoRA's root, and alphas of single layers, are folded into B.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from domainkit.adapters.folder import WEIGHTS, Adapter
from domainkit.adapters.methods import abilities_of, read_adapter_config
from domainkit.adapters.methods.low_rank.lora import PLAIN_STARTS, Lora, special_features, start_of
from domainkit.adapters.peft_config import read_peft_config
from domainkit.errors import AdapterError, saving
from domainkit.export.gguf.layout import Layout, layout_of_folder, layout_of_gguf, open_gguf
from domainkit.export.merge_plan import Origin
from domainkit.export.plain_lora import check_convertible, to_plain_lora
from domainkit.export.vllm import adapter_name
from domainkit.models.source import BaseSource

if TYPE_CHECKING:
    from gguf import GGUFReader
    from peft import LoraConfig

    from domainkit.export.gguf.layout import Array

    Pairs = dict[str, dict[str, Array]]

CALLED = {"use_dora": "DoRA", "modules_to_save": "whole modules (modules_to_save)"}
"""Fields of an adapter_config.json by the names that people use."""
PREFIX = "base_model.model."
KINDS = {
    ".lora_A.weight": "a",
    ".lora_B.weight": "b",
    ".lora_embedding_A": "a",
    ".lora_embedding_B": "b",
}
"""Ends of the names of PEFT's tensors, and of those in the GGUF."""
EMBEDDING = "token_embd.weight"
HEAD = "output.weight"


def write_gguf_adapter(origin: Origin, source: BaseSource, file: Path) -> list[str]:
    """Write the adapter to `file` for the base `source`: a GGUF, or a folder whose config.json gives the names. Notes.

    What can be plain LoRA is converted first. Raises AdapterError or MergeError for what a GGUF adapter cannot say,
    BaseModelError for a base whose names are not known.
    """
    reader = open_gguf(source.path) if source.path.is_file() else None
    layout = layout_of_gguf(reader, source.path) if reader else layout_of_folder(source.path)
    check_method(origin)
    config = read_adapter_config(origin.adapter.folder)
    if abilities_of(config["peft_type"]) is Lora and start_of(config) in PLAIN_STARTS:
        _write(origin.adapter, origin.adapter, layout, reader, source, file)
        return []
    with tempfile.TemporaryDirectory() as work:
        base = origin.adapter.card.base if origin.adapter.card else origin.base
        plain = to_plain_lora(origin.adapter.folder, Path(work) / "plain", base=base, quantization=origin.quantization)
        _write(plain, origin.adapter, layout, reader, source, file)
    return [f"converted from {config['peft_type'].lower()} to plain LoRA on the way; its logits are the same"]


def check_method(origin: Origin) -> None:
    """Raises AdapterError or MergeError for an adapter that no GGUF adapter can hold. Nothing is loaded."""
    config = read_adapter_config(origin.adapter.folder)
    method = abilities_of(config["peft_type"])
    if method is Lora and start_of(config) in PLAIN_STARTS:
        _refuse_special(origin.adapter)
    else:
        check_convertible(config, origin)


def lora_scale(config: LoraConfig, module: str) -> tuple[int, float]:
    """(rank, factor of BAx) of the layer `module`, as PEFT's layers compute it."""
    from peft.utils.other import get_pattern_key

    ranks, alphas = config.rank_pattern or {}, config.alpha_pattern or {}
    rank = int(ranks.get(get_pattern_key(list(ranks), module), config.r))
    alpha = float(alphas.get(get_pattern_key(list(alphas), module), config.lora_alpha))
    return rank, alpha / (rank**0.5 if config.use_rslora else rank)


def _write(
    adapter: Adapter, own: Adapter, layout: Layout, reader: GGUFReader | None, source: BaseSource, file: Path
) -> None:
    """`own` is the adapter that the user knows, where `adapter` was converted from it."""
    from gguf import GGUFWriter

    config: Any = read_peft_config(adapter.folder)
    # llama.cpp reads an alpha of 0 as a scale of 1.
    alpha = float(config.lora_alpha) if config.lora_alpha > 0 else 1.0
    tensors: dict[str, Array] = {}
    for module, pair in _pairs(adapter).items():
        name = _tensor_name(module, layout, adapter)
        rank, scale = lora_scale(config, module)
        a, b = pair["a"], layout.to_gguf(name, pair["b"]) * np.float32(scale * rank / alpha)
        _check_base(name, a, b, reader, source, adapter)
        tensors[f"{name}.lora_a"] = np.ascontiguousarray(a.T if name == EMBEDDING else a)
        tensors[f"{name}.lora_b"] = np.ascontiguousarray(b)
    with saving(file):
        writer = GGUFWriter(str(file), layout.architecture)
        writer.add_type("adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", alpha)
        writer.add_name(own.folder.absolute().name)
        # llama-server lists it: so a client knows the adapter by its weights, on any machine.
        writer.add_string("adapter.lora.task_name", adapter_name(own.folder))
        # Not read by llama.cpp: which adapter and which base these numbers belong to.
        writer.add_string("domainkit.adapter_sha256", own.weights_sha256)
        writer.add_string("domainkit.base_fingerprint", source.fingerprint)
        for name, tensor in tensors.items():
            writer.add_tensor(name, tensor)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def _refuse_special(adapter: Adapter) -> None:
    special = special_features(read_adapter_config(adapter.folder))
    if special:
        raise AdapterError(
            f"uses {', '.join(CALLED.get(name, name) for name in special)}, which a GGUF adapter cannot hold",
            where=str(adapter.folder),
            next_step="merge it into its base and export that: domainkit merge ADAPTER --data held_out.jsonl "
            "--out MERGED, then domainkit export MERGED --to gguf; or train with method=lora",
        )


def _pairs(adapter: Adapter) -> Pairs:
    """A (rank, in) and B (out, rank) in float32 of each layer, by the layer's name."""
    from safetensors.torch import load_file

    pairs: Pairs = {}
    for key, tensor in load_file(str(adapter.folder / WEIGHTS)).items():
        end = next((end for end in KINDS if key.endswith(end)), None)
        if end is None or not key.startswith(PREFIX):
            raise AdapterError(
                f"{WEIGHTS} holds {key}, which a GGUF adapter cannot hold",
                where=str(adapter.folder),
                next_step="merge it into its base (domainkit merge) and export the merged folder",
            )
        module = key.removeprefix(PREFIX).removesuffix(end)
        pairs.setdefault(module, {})[KINDS[end]] = tensor.float().numpy()
    return dict(sorted(pairs.items()))


def _tensor_name(module: str, layout: Layout, adapter: Adapter) -> str:
    name = layout.tensor_name(module)
    # llama.cpp ignores an adapter of a norm without a word.
    if name is None or name.endswith("norm.weight"):
        raise AdapterError(
            f"changes {module}, which llama.cpp's adapters for {layout.architecture} do not reach",
            where=str(adapter.folder),
            next_step="merge it into its base (domainkit merge) and export the merged folder, "
            "or train with method.target=all-linear",
        )
    return name


def _check_base(name: str, a: Array, b: Array, reader: GGUFReader | None, source: BaseSource, adapter: Adapter) -> None:
    """Raises AdapterError where the base's GGUF lacks the tensor or has another shape."""
    if reader is None:
        return
    tensor = next((t for t in reader.tensors if t.name == name), None)
    shape = None if tensor is None else tuple(int(n) for n in reversed(tensor.shape))
    if shape == (b.shape[0], a.shape[1]) or (name == EMBEDDING and shape == (a.shape[1], b.shape[0])):
        return
    what = f"changes {name}, which the base's GGUF does not have" if shape is None else ""
    raise AdapterError(
        what or f"changes {name} of shape {(b.shape[0], a.shape[1])}, and the base's GGUF has {shape}",
        where=str(adapter.folder),
        next_step="merge it into its base (domainkit merge) and export the merged folder"
        if name == HEAD
        else f"name the GGUF of the very base: {source.path} is another model, or has fused layers",
    )
