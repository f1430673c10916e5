"""Tiny random bases of other architectures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conftest import TEMPLATE, build_tokenizer


def save(model: Any, folder: Path) -> str:
    model.save_pretrained(folder)
    tokenizer = build_tokenizer()
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return str(folder)
