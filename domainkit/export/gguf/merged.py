"""A merged model as a GGUF: a copy of its base's own GGUF with the merged weights in it.

Fields, vocabulary and chat template come from the base's file, so no tokenizer has to be converted. Weights that the
merge left as they were keep their bytes, quantised as they are; the others are written in the folder's own number
format, since rounding to 8 or 4 bits would take a part of the tune away.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from domainkit.errors import BaseModelError, saving
from domainkit.export.gguf.layout import Layout, field, layout_of_folder, layout_of_gguf, open_gguf
from domainkit.models.source import BaseSource
from domainkit.models.tokenizer import load_chat_template
from domainkit.storage import read_tensor_header

if TYPE_CHECKING:
    from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
    from gguf.gguf_reader import ReaderTensor

    from domainkit.export.gguf.layout import Array

LEFT_OUT = (
    "GGUF.version",
    "GGUF.tensor_count",
    "GGUF.kv_count",
    "general.architecture",
    "general.name",
    "general.file_type",
    "tokenizer.chat_template",
)
"""Fields of the base's file that the writer makes itself, or that change."""
FILE_TYPES = {"F32": 0, "F16": 1, "BF16": 32}
"""llama.cpp's numbers for `general.file_type`."""
ROUNDING = {"F32": 0.0, "F16": 2.0**-11, "BF16": 2.0**-8}
"""Largest relative rounding of a number in each format: a weight within it was not changed by the merge."""
HEAD = "lm_head.weight"


@dataclass(frozen=True, slots=True)
class WrittenModel:
    """How many tensors of a merged GGUF are new, and the number format of these."""

    changed: int
    kept: int
    dtype: str


def write_merged_gguf(folder: Path, source: BaseSource, file: Path) -> WrittenModel:
    """Write the model of `folder` (safetensors) to `file`, as a copy of the GGUF `source`, its base's own file.

    Raises BaseModelError where the two are not of one shape, or hold weights that the other has no place for.
    """
    gguf = source.path
    reader, weights = open_gguf(gguf), _Weights(folder)
    layout = layout_of_gguf(reader, gguf)
    if layout != layout_of_folder(folder):
        raise BaseModelError(
            f"is not a model of the shape of {gguf.name}: {layout_of_folder(folder)} and {layout}",
            where=str(folder),
            next_step="name the GGUF of its own base: --base FILE.gguf",
        )
    names = weights.by_gguf_name(layout, {t.name for t in reader.tensors}, gguf)
    plan = [_Planned(t, names.get(t.name), layout, weights) for t in reader.tensors]
    added = [name for name in names if name not in {t.name for t in reader.tensors}]
    with saving(file):
        writer = _writer(file, reader, layout, folder, weights.dtype)
        writer.add_string("domainkit.base_fingerprint", source.fingerprint)
        for one in plan:
            one.declare(writer)
        for name in added:  # the head of a base whose head was its embedding
            _declare(writer, name, weights.dtype, weights.shape(names[name]))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for one in plan:
            writer.write_tensor_data(one.data())
        for name in added:
            writer.write_tensor_data(_encode(weights.read(names[name]), weights.dtype))
        writer.close()
    changed = sum(one.changed for one in plan) + len(added)
    return WrittenModel(changed, len(plan) + len(added) - changed, weights.dtype)


class _Weights:
    """The tensors of a folder of safetensors, read one at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, Path] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        dtypes = set()
        for file in sorted(folder.glob("*.safetensors")):
            for name, tensor in read_tensor_header(file).items():
                self._files[name], self._shapes[name] = file, tuple(tensor["shape"])
                dtypes |= {tensor["dtype"]} if len(tensor["shape"]) > 1 else set()
        self.dtype = next((d for d in ("F32", "BF16", "F16") if d in dtypes), "F32")

    def shape(self, name: str) -> tuple[int, ...]:
        return self._shapes[name]

    def read(self, name: str) -> Array:
        """In float32."""
        from safetensors import safe_open

        with safe_open(str(self._files[name]), framework="pt") as file:
            values: Array = file.get_tensor(name).float().numpy()
            return values

    def by_gguf_name(self, layout: Layout, known: set[str], gguf: Path) -> dict[str, str]:
        """The folder's names by those in a GGUF. Raises BaseModelError for a weight that `gguf` has no place for."""
        names = {}
        for name in self._files:
            module, _, kind = name.rpartition(".")
            found = layout.tensor_name(module)
            there = None if found is None else f"{found.removesuffix('weight')}{kind}"
            if name == HEAD and there not in known and self._repeats_embedding():
                continue
            if there is None or (there not in known and name != HEAD):
                raise BaseModelError(
                    f"holds {name}, which {gguf.name} has no place for",
                    where=str(self.folder),
                    next_step="convert the folder itself: " + convert_commands(self.folder),
                )
            names[there] = name
        return names

    def _repeats_embedding(self) -> bool:
        embedding = next((n for n in self._files if n.endswith("embed_tokens.weight")), None)
        return embedding is not None and np.array_equal(self.read(HEAD), self.read(embedding))


def convert_commands(folder: Path) -> str:
    """The commands of llama.cpp that make a GGUF of a model folder, and a smaller one of that."""
    name = folder.resolve().name
    return (
        f"python convert_hf_to_gguf.py {folder} --outfile {name}.gguf (of llama.cpp), "
        f"then llama-quantize {name}.gguf {name}-Q8_0.gguf Q8_0 to make it smaller"
    )


class _Planned:
    """A tensor of the base's file: kept as it is, or replaced."""

    def __init__(self, tensor: ReaderTensor, key: str | None, layout: Layout, weights: _Weights) -> None:
        from gguf.quants import dequantize

        self.tensor, self._key, self._layout, self._weights = tensor, key, layout, weights
        self._shape = tuple(int(n) for n in reversed(tensor.shape))
        self.changed = False
        if key is None:  # frequencies of the rotary embedding, which no model folder has
            return
        new, old = self._new(), dequantize(tensor.data, tensor.tensor_type).reshape(self._shape)
        if new.shape != old.shape:
            raise BaseModelError(
                f"{key} has the shape {new.shape}, and {tensor.name} of the base's GGUF {old.shape}",
                where=str(weights.folder),
                next_step="name the GGUF of its own base: --base FILE.gguf",
            )
        self.changed = bool((np.abs(new - old) > ROUNDING[weights.dtype] * np.abs(old)).any())

    def declare(self, writer: GGUFWriter) -> None:
        if self.changed:
            _declare(writer, self.tensor.name, self._dtype, self._shape)
        else:
            real = np.dtype(np.float32)  # of another type than uint8, so that the shape is taken as it is
            kind = self.tensor.tensor_type
            writer.add_tensor_info(self.tensor.name, self._shape, real, self.tensor.n_bytes, raw_dtype=kind)

    def data(self) -> Array:
        return _encode(self._new(), self._dtype) if self.changed else self.tensor.data

    @property
    def _dtype(self) -> str:
        return self._weights.dtype if len(self._shape) > 1 else "F32"

    def _new(self) -> Array:
        assert self._key is not None
        name = self.tensor.name
        rows = self._layout.to_gguf(name, self._weights.read(self._key)) + np.float32(self._layout.offset(name))
        # Rows beyond the vocabulary are padding; some converters cut them.
        return rows[: self._shape[0]] if name in ("token_embd.weight", "output.weight") else rows


def _declare(writer: GGUFWriter, name: str, dtype: str, shape: tuple[int, ...]) -> None:
    n_bytes = int(np.prod(shape)) * (4 if dtype == "F32" else 2)
    writer.add_tensor_info(name, shape, np.dtype(np.float32), n_bytes, raw_dtype=_kind(dtype))


def _kind(dtype: str) -> GGMLQuantizationType:
    from gguf import GGMLQuantizationType

    return GGMLQuantizationType[dtype]


def _encode(values: Array, dtype: str) -> Array:
    from gguf.quants import quantize

    return np.ascontiguousarray(quantize(np.ascontiguousarray(values, np.float32), _kind(dtype)))


def _writer(file: Path, reader: GGUFReader, layout: Layout, folder: Path, dtype: str) -> GGUFWriter:
    """A writer with the base's fields."""
    from gguf import GGUFWriter

    writer = GGUFWriter(str(file), layout.architecture)
    if alignment := field(reader, "general.alignment"):
        writer.add_custom_alignment(alignment)
    for name, found in reader.fields.items():
        if name not in (*LEFT_OUT, "general.alignment"):
            kind, items = found.types[0], found.types[-1] if len(found.types) > 1 else None
            writer.add_key_value(name, found.contents(), kind, items)
    writer.add_name(folder.resolve().name)
    writer.add_file_type(FILE_TYPES[dtype])
    writer.add_chat_template(str(load_chat_template(folder)[0].tokenizer.chat_template))
    return writer
