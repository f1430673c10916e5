"""What libraries print that would mislead here, or break up our lines. A part mutes it before it uses the library."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

_SWITCHES: dict[str, tuple[Callable[[Any], bool], str, str]] = {
    "transformers.utils.logging": (
        lambda m: m.is_progress_bar_enabled(),
        "disable_progress_bar",
        "enable_progress_bar",
    ),
    "datasets.utils.tqdm": (
        lambda m: not m.are_progress_bars_disabled(),
        "disable_progress_bars",
        "enable_progress_bars",
    ),
}
"""Of each module that switches its library's bars: whether they are on, off, and on again."""


def mute_bitsandbytes_advice() -> None:
    """bitsandbytes advises at each start on a CPU to install a package that is of no use here (`_keep_differentiable`
    in models/load.py says why). PEFT imports bitsandbytes, and sentence-transformers imports PEFT."""
    logging.getLogger("bitsandbytes.backends.cpu.ops").addFilter(_is_of_use)


def _is_of_use(record: logging.LogRecord) -> bool:
    return "gemm_4bit_forward" not in str(record.msg)


@contextmanager
def quiet_bars() -> Iterator[None]:
    """No bars of transformers and datasets, which show weights that load and files that are read; what takes long has
    a line on our own display. The caller's setting is put back."""
    with ExitStack() as stack:
        for name, (is_on, off, on) in _SWITCHES.items():
            module: Any = sys.modules.get(name)  # a library that is not loaded prints nothing
            if module is not None and is_on(module):
                getattr(module, off)()
                stack.callback(getattr(module, on))
        yield
