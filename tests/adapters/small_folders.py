"""Adapter folders of a few bytes, for the tests of what reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from domainkit.adapters.folder import PEFT_CONFIG, WEIGHTS, Card, write_card
from domainkit.storage import sha256_file


def safetensors(values: bytes) -> bytes:
    header = json.dumps({"a": {"dtype": "U8", "shape": [len(values)], "data_offsets": [0, len(values)]}}).encode()
    return len(header).to_bytes(8, "little") + header + values


def card(**changes: Any) -> Card:
    values: dict[str, Any] = {
        "base": "builtin:x",
        "base_fingerprint": "b" * 64,
        "revision": None,
        "quantization": "nf4",
        "method": "lora",
        "config": {"seed": 0},
        "learning_rate_source": "as given",
        "prompt_format": "{question}",
        "examples": 3,
        "data_fingerprint": "d" * 64,
        "tokens": 10,
        "supervised_tokens": 4,
        "losses": [(1, 2.0)],
        "final_loss": 2.0,
        "seconds": 1.0,
        "tokens_per_second": 10.0,
        "trainable_parameters": 5,
        "hardware": {},
        "versions": {},
        "weights_sha256": "",
        "created": "2030-01-01T00:00:00+00:00",
        "domainkit": "0.1.0",
    }
    return Card(**{**values, **changes})


def write_folder(folder: Path, peft_type: str = "LORA", **changes: Any) -> Path:
    """An adapter folder whose weights are four bytes; `changes` are fields of its card."""
    folder.mkdir()
    (folder / PEFT_CONFIG).write_text(json.dumps({"peft_type": peft_type}))
    (folder / WEIGHTS).write_bytes(safetensors(b"abcd"))
    write_card(folder, card(weights_sha256=sha256_file(folder / WEIGHTS), **changes))
    return folder
