"""Files are read only where they are plain and of a sane size."""

from __future__ import annotations

import errno
import math
import os
import stat
import tomllib
from pathlib import Path
from typing import BinaryIO

from domainkit.errors import ConfigError
from domainkit.storage.json_text import JsonObject, parse_json

MAX_TOML_BYTES = 8 * 2**20
MAX_HEADER_BYTES = 100_000_000
"""Of a safetensors file: the limit of safetensors itself."""


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """The bytes of a plain file. A pipe, device or folder is refused at once: reading it could wait or never end.

    Raises OSError, with the reason as `strerror`; also for more than `limit` bytes.
    """
    with open_plain(path) as f:
        size = os.fstat(f.fileno()).st_size
        if limit is not None and size > limit:
            raise OSError(errno.EFBIG, f"it has {size:,} bytes; at most {limit:,} are read", str(path))
        return f.read()


def open_plain(path: Path) -> BinaryIO:
    """A plain file, open for reading; what is none is refused as `read_bytes` does."""
    # O_NONBLOCK: without it, opening a named pipe waits for a writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"it is {kind_of_file(status.st_mode)}, not a file", str(path))
    return os.fdopen(descriptor, "rb")


def kind_of_file(mode: int) -> str:
    """What stands there if it is no plain file, in words."""
    names = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return names.get(stat.S_IFMT(mode), "a device")


def read_toml(path: Path) -> JsonObject:
    """A TOML file's values. Raises ConfigError naming the file and TOML's own line and column."""
    try:
        return tomllib.loads(read_bytes(path, MAX_TOML_BYTES).decode("utf-8-sig"))
    except OSError as e:
        raise ConfigError(f"cannot be read: {e.strerror or e}", where=str(path), next_step="check the path") from e
    except RecursionError:
        what = "is not valid TOML: it is nested too deep"
        raise ConfigError(what, where=str(path), next_step="write it with fewer levels") from None
    except ValueError as e:
        raise ConfigError(f"is not valid TOML: {e}", where=str(path), next_step="correct that line") from e


def read_tensor_header(file: Path) -> JsonObject:
    """The tensors of a safetensors file by name, each with dtype, shape and data_offsets; no weight is read.

    Raises OSError, and ValueError for a file that is not whole: 8 bytes of header length, the header, and exactly as
    many bytes as the header declares.
    """
    size = file.stat().st_size
    with file.open("rb") as f:
        length = int.from_bytes(f.read(8), "little")
        if length > min(size, MAX_HEADER_BYTES):
            raise ValueError("its header is cut off")
        header = parse_json(f.read(length))
    try:
        header.pop("__metadata__", None)
        declared = max((t["data_offsets"][1] for t in header.values()), default=0)
        sum(math.prod(t["shape"]) + len(t["dtype"]) for t in header.values())  # raises where shapes are not numbers
        if size != 8 + length + declared:
            raise ValueError(f"{size} bytes instead of {8 + length + declared}")
    except (KeyError, TypeError, AttributeError, IndexError) as e:
        raise ValueError(f"its header is not one of safetensors ({type(e).__name__}: {e})") from e
    tensors: JsonObject = header
    return tensors
