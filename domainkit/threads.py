"""Work in a thread that ends when the work ends, and how many heaps threads have."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
HEAPS = 2
"""With eight for each core, glibc's own limit, a comparison with SmolLM2-135M took 2,298 MiB instead of 2,211, in the
same time."""
_M_ARENA_MAX = -8  # malloc.h


def run_in_short_lived_thread(work: Callable[[], T]) -> T:
    """Return what `work` returns, or raise what it raises. Use it for work with torch outside the engine's own
    thread."""
    # A thread that computes with torch keeps OpenMP workers until it ends. When a process has more workers than
    # cores, libgomp (gomp_throttled_spin_count_var) puts them to sleep after every operation, and one step of the
    # engine has thousands.
    with ThreadPoolExecutor(1, thread_name_prefix="domainkit-short-lived") as threads:
        return threads.submit(work).result()


def share_heaps() -> None:
    """Threads share few heaps from now on: what one frees, another takes. For a process that is all ours; the
    environment's MALLOC_ARENA_MAX stands."""
    if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, HEAPS)
