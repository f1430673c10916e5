"""pack.json: what a pack holds, with a hash of each file; a pack is read only where all of it is as it was written."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Literal

from pydantic import ValidationError

from domainkit.errors import ConfigError
from domainkit.results.answers import Record
from domainkit.results.variants import VariantsRecord
from domainkit.storage import parse_json, read_bytes, sha256_file

FORMAT: Literal["domainkit.pack/1"] = "domainkit.pack/1"
MANIFEST = "pack.json"
INDEXES = "indexes"
MOST_BYTES = 16 * 2**20
COPY = "copy the pack again, or write it again with `domainkit pack`"


class PackedFile(Record):
    sha256: str
    bytes: int


class Manifest(Record):
    """The file."""

    format: Literal["domainkit.pack/1"] = FORMAT
    variant: str
    created: str
    """Of the pack: UTC, ISO 8601."""
    domainkit: str
    """The version that wrote it."""
    examples: int
    """Solved examples of the training rows that it holds."""
    passages: int
    """Passages of the documents."""
    needs: tuple[str, ...]
    """What lies outside, in words: the base, the embedding model."""
    files: dict[str, PackedFile]
    """By path in the pack, with slashes; all but this file."""


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the pack in `folder`, once every file has its hash. Raises ConfigError."""
    file = folder / MANIFEST
    try:
        values = parse_json(read_bytes(file, MOST_BYTES))
        if isinstance(values, dict) and values.get("format") not in (None, FORMAT):
            what = f"is of the format {values['format']!r}, and this version reads {FORMAT}"
            raise ConfigError(what, where=str(file), next_step="update domainkit")
        manifest = Manifest.model_validate(values)
    except (OSError, ValueError, ValidationError) as e:
        reason = e.errors()[0]["msg"] if isinstance(e, ValidationError) else getattr(e, "strerror", None) or e
        raise ConfigError(f"cannot be read: {reason}", where=str(file), next_step=COPY) from e
    for name in manifest.files:
        _check_place(folder, name)
    for name, packed in manifest.files.items():
        _check_content(folder / name, packed)
    _refuse_strangers(folder, manifest)
    return manifest


def check_record(folder: Path, manifest: Manifest, record: VariantsRecord) -> None:
    """Every file that the record names is one of the manifest's: nothing outside the pack is read."""
    folders = [*record.adapters, *([record.encoder] if record.encoder else [])]
    names = [f"{f.folder}/{name}" for f in folders for name in f.files]
    names += [rows.file for rows in (record.examples, record.passages) if rows]
    for name in names:
        if name not in manifest.files:
            what = f"names the file '{name}', which is not in {MANIFEST}"
            raise ConfigError(what, where=str(folder), next_step=COPY)
    if set(record.variants) != {manifest.variant}:
        raise ConfigError(f"{MANIFEST} and its record name different variants", where=str(folder), next_step=COPY)


def _check_place(folder: Path, name: str) -> None:
    """Raises ConfigError for a path that leads out of the pack, by itself or by a link."""
    windows, parts = PureWindowsPath(name), PurePosixPath(name).parts
    out = not parts or windows.drive or windows.root or "\\" in name or {"..", ".", ""} & set(name.split("/"))
    if out or os.path.realpath(folder / name) != os.path.join(os.path.realpath(folder), *parts):
        what = f"{MANIFEST} names '{name}', which is not a plain path inside the pack"
        raise ConfigError(what, where=str(folder), next_step="use only packs that `domainkit pack` wrote")


def _check_content(file: Path, packed: PackedFile) -> None:
    if not file.is_file():
        raise ConfigError("is missing from the pack", where=str(file), next_step=COPY)
    if file.stat().st_size != packed.bytes or sha256_file(file) != packed.sha256:
        raise ConfigError("is not what the pack was written with", where=str(file), next_step=COPY)


def _refuse_strangers(folder: Path, manifest: Manifest) -> None:
    """A file beside the weights or the index could be read with them."""
    inside = (f.relative_to(folder).as_posix() for f in folder.rglob("*") if not f.is_dir() and f.parent != folder)
    if stranger := next((name for name in sorted(inside) if name not in manifest.files), None):
        raise ConfigError(
            "is not a file of the pack", where=str(folder / stranger), next_step="move it out of the pack's folders"
        )
