"""The gguf package's reader, faster: a vocabulary is a hundred thousand strings, each of which it slices from a file.

transformers reads the file four times over to unpack it, and maps the names of the weights once for each module.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import gguf
import numpy as np
from gguf import GGUFReader, GGUFValueType


class PlainReader(GGUFReader):
    """Slices a plain array over the mapped file: a slice of a `memmap` takes four times as long."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value.view(np.ndarray) if name == "data" else value)


class HeaderReader(PlainReader):
    """Fields and tensors without what stands in lists of strings, such as the vocabulary."""

    def _get_field_parts(self, orig_offs: int, raw_type: int) -> Any:
        if raw_type != GGUFValueType.ARRAY or self._get(orig_offs, np.uint32)[0] != GGUFValueType.STRING:
            return super()._get_field_parts(orig_offs, raw_type)
        length = struct.Struct(">Q" if self.endianess == gguf.GGUFEndian.BIG else "<Q")
        offset, file = orig_offs + 12, self.data.data
        for _ in range(int(self._get(orig_offs + 4, np.uint64)[0])):
            offset += 8 + length.unpack_from(file, offset)[0]
        return offset - orig_offs, [], [], [GGUFValueType.ARRAY, GGUFValueType.STRING]


@contextmanager
def read_once() -> Iterator[None]:
    """Within it, transformers reads a file and maps a model's names once."""
    # It takes both names from the package where it uses them.
    before = {name: getattr(gguf, name) for name in ("GGUFReader", "get_tensor_name_map")}
    for name, once in (("GGUFReader", PlainReader), ("get_tensor_name_map", gguf.get_tensor_name_map)):
        setattr(gguf, name, cache(once))
    try:
        yield
    finally:
        for name, found in before.items():
            setattr(gguf, name, found)
