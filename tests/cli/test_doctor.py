"""domainkit doctor: what is here, what is missing, and how to get it."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.cli.doctor import _fits, fits
from domainkit.models.memory import Needs
from tests.cli.command import domainkit


def test_doctor_quantises_for_its_line() -> None:
    done = domainkit("doctor")
    assert "NF4 works" in done.stdout
    assert "model cache" in done.stdout
    assert "builtin:smollm2-135m, unquantised, takes about: ask 1.1, train " in done.stdout
    assert "ok    llama.cpp" in done.stdout


def test_a_cache_that_cannot_be_written_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DOMAINKIT_CACHE", str(tmp_path / "file"))
    done = domainkit("doctor")
    assert done.returncode == 1
    assert "MISS  model cache" in done.stdout
    assert "next: set DOMAINKIT_CACHE to a folder you may write to" in done.stdout


def test_what_does_not_fit_is_named_with_what_helps() -> None:
    gib = 2**30
    found = fits("owner/name\x1b[2J", Needs(train=5 * gib, compare=6 * gib, ask=2 * gib), free=5 * gib, tokens=320)
    assert not found.ok
    assert found.fact.endswith(
        "ask 2.0, train 5.0, compare --fit 6.0 GiB (an estimate, for LoRA on rows of 320 tokens at most; "
        "prefer is not estimated); too much here: compare --fit"
    )
    assert "\x1b" not in found.fact
    assert "max_tokens_per_pass=128" in found.next_step
    assert fits("base", Needs(gib, gib, gib), free=gib, tokens=320).ok


def test_a_base_that_is_not_there_is_a_finding() -> None:
    found = _fits("./no/such/folder")
    assert not found.ok
    assert found.fact == "./no/such/folder: no such file or folder"
    assert "check the path" in found.next_step
