"""One line more in a JSON Lines file."""

from __future__ import annotations

import json
import os
from pathlib import Path

from domainkit.errors import saving
from domainkit.messages import JsonObject


def append_row(path: Path, row: JsonObject) -> None:
    """Add `row` as one line, whole, also beside other processes. Only its owner can read a new file."""
    line = json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    with saving(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
