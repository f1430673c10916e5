"""Model folders that other programs read: llama.cpp's and Ollama's converters, vLLM, older versions of transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from domainkit.messages import JsonObject
from domainkit.storage import write_text

OWN_TRACES = ("is_local", "local_files_only")
"""What transformers writes about how a tokenizer was read here."""


def make_portable(folder: Path, model_class: str) -> None:
    """Complete the configuration that transformers 5 wrote to `folder` with what others look for.

    That is the name of the model's class, `rope_theta` at its old place too, and a tokenizer class that older versions
    know.
    """
    _change(folder / "config.json", lambda values: _config(values, model_class))
    _change(folder / "tokenizer_config.json", _tokenizer)


def _change(file: Path, change: Callable[[JsonObject], JsonObject]) -> None:
    if file.is_file():
        values = change(json.loads(file.read_text(encoding="utf-8")))
        write_text(file, json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def _config(values: JsonObject, model_class: str) -> JsonObject:
    theta = (values.get("rope_parameters") or {}).get("rope_theta")
    old_place = {} if theta is None or "rope_theta" in values else {"rope_theta": theta}
    return {**values, **old_place, "architectures": values.get("architectures") or [model_class]}


def _tokenizer(values: JsonObject) -> JsonObject:
    kept = {key: value for key, value in values.items() if key not in OWN_TRACES}
    # transformers 5 reads the old name as its own new class.
    return kept | ({"tokenizer_class": "PreTrainedTokenizerFast"} if _is_new(kept) else {})


def _is_new(values: JsonObject) -> bool:
    return values.get("tokenizer_class") == "TokenizersBackend"
