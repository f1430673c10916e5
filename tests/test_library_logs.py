"""Misleading log lines of libraries are dropped; their other lines are not."""

from __future__ import annotations

import importlib
import logging

import pytest
from tqdm.auto import tqdm
from transformers.utils import logging as of_transformers

from domainkit.library_logs import mute_bitsandbytes_advice, quiet_bars

of_datasets = importlib.import_module("datasets.utils.tqdm")  # its package has a class of the same name


def test_bitsandbytes_does_not_advise_a_package_that_is_of_no_use() -> None:
    mute_bitsandbytes_advice()
    log = logging.getLogger("bitsandbytes.backends.cpu.ops")
    advice = "Failed to load CPU gemm_4bit_forward from kernels-community: %s."
    assert [bool(log.filter(logging.makeLogRecord({"msg": text}))) for text in (advice, "else")] == [False, True]


def bars() -> list[object]:
    """Of transformers, of datasets, and of tqdm itself, as transformers draws one while it reads a GGUF file."""
    return [of_transformers.tqdm([1, 2]), of_datasets.tqdm([1, 2], desc="files"), tqdm([1, 2], "tensors", None, True)]


def test_bars_are_off_inside_and_on_after(capsys: pytest.CaptureFixture[str]) -> None:
    with quiet_bars():
        with quiet_bars():
            pass
        assert [list(bar) for bar in bars()] == [[1, 2]] * 3
        assert capsys.readouterr().err == ""
    assert [list(bar) for bar in bars()] == [[1, 2]] * 3
    assert capsys.readouterr().err.count("2/2") == 3


def test_bars_of_two_threads_that_overlap_are_on_after_both(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = quiet_bars(), quiet_bars()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    list(tqdm([1]))
    assert capsys.readouterr().err == ""
    second.__exit__(None, None, None)
    list(tqdm([1]))
    assert "1/1" in capsys.readouterr().err
