"""Log lines of libraries that would mislead here. A part mutes them before it imports the library."""

from __future__ import annotations

import logging


def mute_bitsandbytes_advice() -> None:
    """bitsandbytes advises at each start on a CPU to install a package that is of no use here (`_keep_differentiable`
    in models/load.py says why). PEFT imports bitsandbytes, and sentence-transformers imports PEFT."""
    logging.getLogger("bitsandbytes.backends.cpu.ops").addFilter(_is_of_use)


def _is_of_use(record: logging.LogRecord) -> bool:
    return "gemm_4bit_forward" not in str(record.msg)
