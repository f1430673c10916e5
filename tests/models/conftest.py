from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def folder(tiny_base: str, tmp_path: Path) -> Path:
    """The tiny base's folder, to be changed."""
    return Path(shutil.copytree(tiny_base, tmp_path / "copy"))


def edit(file: Path, **values: Any) -> None:
    """Set values of a JSON file; None deletes one."""
    content = json.loads(file.read_text())
    for key, value in values.items():
        content[key] = value
        if value is None:
            del content[key]
    file.write_text(json.dumps(content))
