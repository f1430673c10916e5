"""Misleading log lines of libraries are dropped; their other lines are not."""

from __future__ import annotations

import logging

from domainkit.library_logs import mute_bitsandbytes_advice


def test_bitsandbytes_does_not_advise_a_package_that_is_of_no_use() -> None:
    mute_bitsandbytes_advice()
    log = logging.getLogger("bitsandbytes.backends.cpu.ops")
    advice = "Failed to load CPU gemm_4bit_forward from kernels-community: %s."
    assert [bool(log.filter(logging.makeLogRecord({"msg": text}))) for text in (advice, "else")] == [False, True]
