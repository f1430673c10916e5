"""domainkit doctor: what is here, what is missing, and how to get it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import domainkit


def test_doctor_quantises_for_its_line() -> None:
    done = domainkit("doctor")
    assert "NF4 works" in done.stdout
    assert "model cache" in done.stdout
    assert "ok    llama.cpp" in done.stdout


def test_a_cache_that_cannot_be_written_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DOMAINKIT_CACHE", str(tmp_path / "file"))
    done = domainkit("doctor")
    assert done.returncode == 1
    assert "MISS  model cache" in done.stdout
    assert "next: set DOMAINKIT_CACHE to a folder you may write to" in done.stdout
