"""Misleading log lines of libraries are dropped; their other lines are not."""

from __future__ import annotations

import importlib
import logging

import pytest
from transformers.utils import logging as of_transformers

from domainkit.library_logs import mute_bitsandbytes_advice, quiet_bars

of_datasets = importlib.import_module("datasets.utils.tqdm")  # its package has a class of the same name


def test_bitsandbytes_does_not_advise_a_package_that_is_of_no_use() -> None:
    mute_bitsandbytes_advice()
    log = logging.getLogger("bitsandbytes.backends.cpu.ops")
    advice = "Failed to load CPU gemm_4bit_forward from kernels-community: %s."
    assert [bool(log.filter(logging.makeLogRecord({"msg": text}))) for text in (advice, "else")] == [False, True]


@pytest.mark.parametrize("on", [True, False])
def test_bars_are_off_inside_and_as_the_caller_had_them_after(on: bool) -> None:
    (of_transformers.enable_progress_bar if on else of_transformers.disable_progress_bar)()
    (of_datasets.enable_progress_bars if on else of_datasets.disable_progress_bars)()
    try:
        with quiet_bars():
            assert not of_transformers.is_progress_bar_enabled()
            assert of_datasets.are_progress_bars_disabled()
        assert of_transformers.is_progress_bar_enabled() is on
        assert of_datasets.are_progress_bars_disabled() is not on
    finally:
        of_transformers.enable_progress_bar()
        of_datasets.enable_progress_bars()
