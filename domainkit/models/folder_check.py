"""What a model folder must hold before a library reads it: regular files, whole headers, a sound configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from domainkit.errors import BaseModelError
from domainkit.messages import JsonObject
from domainkit.storage import read_bytes, read_tensor_header

READ_SUFFIXES = (".json", ".jinja", ".model", ".txt", ".safetensors")
LARGEST_CONFIG = 10_000_000
MOST_REPEATED = 10_000
"""Most layers, heads or experts: building one more takes time, whatever the weights hold."""


def check_folder(folder: Path) -> None:
    """Raises BaseModelError that names the file and the key."""
    for file in sorted(folder.iterdir()):
        if file.suffix in READ_SUFFIXES and not file.is_file():  # a pipe or a device would be read for ever
            raise BaseModelError(
                f"{file.name} is not a regular file", where=str(folder), next_step="copy the folder again"
            )
    _check_config(folder)
    for file in sorted(folder.glob("*.safetensors")):
        read_header(file)


def read_header(file: Path) -> JsonObject:
    """The names, types and shapes of a safetensors file. Raises BaseModelError when it is damaged."""
    try:
        return read_tensor_header(file)
    except ValueError as e:
        raise BaseModelError(
            f"cannot be loaded: {file.name} is damaged: {e}",
            where=str(file.parent),
            next_step="copy or download the file again",
        ) from e


_NEEDED = re.compile(
    r"(^|\.)(num_(hidden_|encoder_|decoder_)?layers|(encoder|decoder)_layers|n_layers?|\w*attention_heads)$"
)
"""A model has one or more of these; of layers that are shared, dense, or predict further tokens there may be none."""


def _check_config(folder: Path) -> None:
    try:
        values = json.loads(read_bytes(folder / "config.json", LARGEST_CONFIG))  # some hold Infinity
    except (OSError, ValueError, RecursionError) as e:
        raise BaseModelError(
            f"config.json is damaged: {e}", where=str(folder), next_step="copy the folder again"
        ) from e
    if not isinstance(values, dict):
        raise BaseModelError(
            f"config.json holds a {type(values).__name__} in place of an object",
            where=str(folder),
            next_step="copy the folder again",
        )
    for key, value in values.items():
        if isinstance(value, str) and re.search(
            r"^(num|n)_|(_size|_window|_embeddings|_layers|_dim|_eps|_theta)$", key
        ):
            raise BaseModelError(
                f"{key}={value!r} in config.json is text in place of a number",
                where=str(folder),
                next_step="copy the folder again",
            )
    for key, number in _counts(values, ""):
        least = 1 if _NEEDED.search(key) else 0
        if not least <= number <= MOST_REPEATED:
            raise BaseModelError(
                f"{key}={number} in config.json must be between {least} and {MOST_REPEATED:,}",
                where=str(folder),
                next_step="copy the folder again",
            )


def _counts(values: JsonObject, prefix: str) -> Iterator[tuple[str, int]]:
    """Keys that say how many of something there are, with those of nested configurations."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _counts(value, f"{prefix}{key}.")
        elif (
            isinstance(value, int)
            and re.match(r"(num|n)_|.*_layers$", key)
            and not re.search(r"position|token|embed|ctx|vocab|buckets|_inner|logits|window|first|predict", key)
        ):
            yield prefix + key, value
