"""Work in a thread that ends when the work ends."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def run_in_short_lived_thread(work: Callable[[], T]) -> T:
    """Return what `work` returns, or raise what it raises. Use it for work with torch outside the engine's own
    thread."""
    # A thread that computes with torch keeps OpenMP workers until it ends. When a process has more workers than
    # cores, libgomp (gomp_throttled_spin_count_var) puts them to sleep after every operation, and one step of the
    # engine has thousands.
    with ThreadPoolExecutor(1, thread_name_prefix="domainkit-short-lived") as threads:
        return threads.submit(work).result()
