"""The objectives' table needs the TRL it is written for."""

from __future__ import annotations

import pytest

from domainkit.errors import MachineError
from domainkit.training.objectives import load_objective


@pytest.mark.parametrize("found", [None, "1.15.0", "2.0.0"])
def test_another_version_of_trl_is_reported(found: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata as metadata

    def version(name: str) -> str:
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(MachineError, match=r"trl.*\n  next: pip install 'domainkit\[preference\]'"):
        load_objective("dpo")
