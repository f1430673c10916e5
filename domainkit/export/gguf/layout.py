"""Names and row orders: how the weights of a transformers model are called and laid out in a GGUF file.

Source: llama.cpp's converters (conversion/llama.py, qwen.py, gemma.py, phi.py). llama-type files hold the rows of Q and
K in the order of the original rotary embedding, gemma's hold norms plus one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from domainkit.errors import BaseModelError

if TYPE_CHECKING:
    from gguf import GGUFReader, TensorNameMap
    from numpy.typing import NDArray

    Array = NDArray[Any]  # numbers of any type, or the bytes of packed ones

ARCHITECTURES = {
    "llama": "llama",
    "mistral": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "gemma2": "gemma2",
    "gemma3_text": "gemma3",
    "phi3": "phi3",
}
"""`model_type` of a config.json to `general.architecture` of a GGUF."""
PERMUTED = ("llama",)
NORM_PLUS_ONE = ("gemma2", "gemma3")


@dataclass(frozen=True, slots=True)
class Layout:
    """The architecture's names and row orders."""

    architecture: str
    """GGUF's name of it."""
    blocks: int
    heads: int
    kv_heads: int

    def tensor_name(self, module: str) -> str | None:
        """Name in a GGUF of the weight of `module`, such as model.layers.0.self_attn.q_proj; None where it has none."""
        name = _tensor_names(self.architecture, self.blocks).get_name(module)
        return None if name is None else f"{name}.weight"

    def to_gguf(self, name: str, rows: Array) -> Array:
        """`rows` (out, …) of the weight, or of what is added to it, in the file's order; `name` is the GGUF's."""
        if self.architecture not in PERMUTED or not (".attn_q." in name or ".attn_k." in name):
            return rows
        heads = self.heads if ".attn_q." in name else self.kv_heads
        halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
        return halves.swapaxes(1, 2).reshape(rows.shape)

    def from_gguf(self, name: str, rows: Array) -> Array:
        """The inverse of `to_gguf`."""
        if self.architecture not in PERMUTED or not (".attn_q." in name or ".attn_k." in name):
            return rows
        heads = self.heads if ".attn_q." in name else self.kv_heads
        pairs = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
        return pairs.swapaxes(1, 2).reshape(rows.shape)

    def offset(self, name: str) -> float:
        """What the file adds to the weight `name`: 1 to gemma's norms."""
        return 1.0 if self.architecture in NORM_PLUS_ONE and name.endswith("norm.weight") else 0.0


@lru_cache(maxsize=8)
def _tensor_names(architecture: str, blocks: int) -> TensorNameMap:
    from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, get_tensor_name_map

    arch = next(a for a in MODEL_ARCH if MODEL_ARCH_NAMES.get(a) == architecture)
    return get_tensor_name_map(arch, blocks)


def layout_of_folder(folder: Path) -> Layout:
    """From a model folder's config.json. Raises BaseModelError for an architecture that is not known here."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
    if config.model_type not in ARCHITECTURES:
        raise _unknown(config.model_type, str(folder))
    heads = int(config.num_attention_heads)
    kv_heads = int(getattr(config, "num_key_value_heads", None) or heads)
    return Layout(ARCHITECTURES[config.model_type], int(config.num_hidden_layers), heads, kv_heads)


def layout_of_gguf(reader: GGUFReader, where: Path) -> Layout:
    """From a GGUF's own fields. Raises BaseModelError for an architecture that is not known here."""
    name = str(field(reader, "general.architecture", ""))
    if name not in ARCHITECTURES.values():
        raise _unknown(name, str(where))
    counts = {key: field(reader, f"{name}.{key}") for key in ("block_count", "attention.head_count")}
    for key, count in counts.items():
        if not isinstance(count, int):  # a list: layers of their own width
            raise BaseModelError(
                f"{name}.{key} is {'missing' if count is None else 'not one number'}",
                where=str(where),
                next_step="use a GGUF written by convert_hf_to_gguf.py of llama.cpp, with layers of one width",
            )
    heads = counts["attention.head_count"]
    return Layout(name, counts["block_count"], heads, field(reader, f"{name}.attention.head_count_kv", heads))


def _unknown(architecture: str, where: str) -> BaseModelError:
    return BaseModelError(
        f"the names of the weights of '{architecture}' in a GGUF are not known here",
        where=where,
        next_step=f"known: {', '.join(sorted(set(ARCHITECTURES)))}; otherwise merge (domainkit merge) and convert the "
        "folder with convert_hf_to_gguf.py of llama.cpp",
    )


def open_gguf(path: Path) -> GGUFReader:
    """The file's fields and tensors; no weight is read. Raises BaseModelError for what is no GGUF."""
    from domainkit.models.gguf_reader import PlainReader

    try:
        return PlainReader(str(path))
    except Exception as e:  # the reader trusts every number of the file
        raise BaseModelError(
            f"cannot be read as GGUF: {type(e).__name__}",
            where=str(path),
            next_step="copy or download the file again",
        ) from e


def field(reader: GGUFReader, key: str, default: Any = None) -> Any:
    """The value of a field; `default` where the file has none. A number, text or list, as the file says."""
    found = reader.get_field(key)
    value = default if found is None else found.contents()
    return value.item() if isinstance(value, np.generic) else value
