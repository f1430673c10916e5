"""Folders of a user, with and without a home."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domainkit.errors import MachineError
from domainkit.storage import cache_dir, state_dir


def test_a_user_without_home_has_a_private_cache_and_an_error_names_the_variable_for_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DOMAINKIT_CACHE", "XDG_CACHE_HOME", "DOMAINKIT_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_dir().parent == tmp_path
    assert cache_dir().stat().st_mode & 0o777 == 0o700
    with pytest.raises(MachineError, match=r"(?s)no home folder.*next: set DOMAINKIT_STATE to a folder"):
        state_dir()
    cache_dir().rmdir()
    (tmp_path / f"domainkit-{os.getuid()}").symlink_to("/tmp")
    with pytest.raises(MachineError, match="permission denied"):
        cache_dir()
