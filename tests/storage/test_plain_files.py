"""Only plain files of a sane size are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domainkit.errors import ConfigError
from domainkit.storage import read_bytes, read_toml


def test_a_pipe_a_device_and_a_folder_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, said in [(tmp_path / "pipe", "a pipe"), (Path("/dev/zero"), "a device"), (tmp_path, "a folder")]:
        with pytest.raises(OSError, match=f"it is {said}, not a file"):
            read_bytes(path)
    (tmp_path / "pipe").unlink()
    (tmp_path / "run.toml").write_text("a = 1")
    with pytest.raises(OSError, match="it has 5 bytes; at most 4 are read"):
        read_bytes(tmp_path / "run.toml", 4)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000 + "]" * 5000, "a = 1\nb = ", "a = " + "9" * 5000])
def test_bad_toml_is_one_message(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"run.toml: is not valid TOML: .*\n  next: "):
        read_toml(tmp_path / "run.toml")
