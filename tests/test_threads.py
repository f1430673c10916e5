"""A thread for work that ends with it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from domainkit.threads import HEAPS, run_in_short_lived_thread
from tests.conftest import build_tiny_base

COUNT = """
import sys
import psutil, torch
from domainkit.inference.local import local_backend
torch.set_num_threads(2)
local_backend(sys.argv[1], quantization="none").engine()
ids = lambda: {thread.id for thread in psutil.Process().threads()}
before = ids()
torch.ones(1 << 22).exp()
print(len(ids() - before))  # by their ids: threads of the load may end meanwhile, and a count would miss the new one
"""


def test_it_returns_and_raises_what_the_work_does_and_is_gone() -> None:
    assert run_in_short_lived_thread(threading.current_thread) not in threading.enumerate()
    with pytest.raises(ZeroDivisionError):
        run_in_short_lived_thread(lambda: 1 // 0)


def test_loading_a_base_leaves_the_calling_thread_no_workers(tmp_path: Path) -> None:
    """They would crowd out the engine's. The thread has made none if its first large operation makes one."""
    # Weights large enough for more than one thread: torch divides from 32768 numbers on.
    base = str(build_tiny_base(tmp_path / "wide", hidden_size=256, intermediate_size=1024))
    done = subprocess.run([sys.executable, "-c", COUNT, base], capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stdout + done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's heaps are Linux's")
def test_threads_share_few_heaps() -> None:
    """glibc's own account has a heap for each thread without it."""
    code = (
        "import ctypes, sys, threading; from domainkit.threads import share_heaps; sys.argv[1:] and share_heaps(); "
        "libc = ctypes.CDLL(None); libc.malloc.restype = ctypes.c_void_p; all_there = threading.Barrier(6); "
        "work = lambda: (libc.malloc(1000), all_there.wait()); "
        "threads = [threading.Thread(target=work) for _ in range(6)]; [t.start() for t in threads]; "
        "[t.join() for t in threads]; libc.malloc_stats()"
    )
    heaps = [
        subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True, text=True).stderr.count(
            "Arena"
        )
        for words in ([], ["few"])
    ]
    assert heaps[1] == HEAPS < heaps[0]
