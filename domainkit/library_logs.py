"""What libraries print that would mislead here, or break up our lines. A part mutes it before it uses the library."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import Lock

_lock = Lock()
_open = 0
"""How many `quiet_bars` are open, in all threads."""


def mute_bitsandbytes_advice() -> None:
    """bitsandbytes advises at each start on a CPU to install a package that is of no use here (`_keep_differentiable`
    in models/load.py says why). PEFT imports bitsandbytes, and sentence-transformers imports PEFT."""
    logging.getLogger("bitsandbytes.backends.cpu.ops").addFilter(_is_of_use)


def _is_of_use(record: logging.LogRecord) -> bool:
    return "gemm_4bit_forward" not in str(record.msg)


@contextmanager
def quiet_bars() -> Iterator[None]:
    """No bars of libraries, which show weights that load and files that are read; what takes long has a line on our own
    display. All of them draw with tqdm, some past their library's own switch. Afterwards they draw again."""
    from tqdm.std import tqdm

    global _open
    with _lock:
        if not _open:
            tqdm.__init__ = _silent(tqdm.__init__)
        _open += 1
    try:
        yield
    finally:
        with _lock:
            _open -= 1
            if not _open:
                tqdm.__init__ = tqdm.__init__.__wrapped__


def _silent(drawn: Callable[..., None]) -> Callable[..., None]:
    @wraps(drawn)
    def start(bar: object, iterable: object = None, *_: object, total: float | None = None, **__: object) -> None:
        drawn(bar, iterable, total=total, disable=True)

    return start
