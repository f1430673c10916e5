"""Base models: where one comes from, how it is loaded, how conversations become its token ids. No training, no
serving."""

import logging
from typing import Literal

Quantization = Literal["auto", "nf4", "int8", "none"]
DEFAULT_BASE = "builtin:smollm2-135m"


def _is_of_use(record: logging.LogRecord) -> bool:
    return "gemm_4bit_forward" not in str(record.msg)


# bitsandbytes advises at each start on a CPU to install a package that is of no use here (`_keep_differentiable` in
# load.py says why). PEFT imports bitsandbytes, so the advice is taken out here, before any part of either is loaded.
logging.getLogger("bitsandbytes.backends.cpu.ops").addFilter(_is_of_use)
