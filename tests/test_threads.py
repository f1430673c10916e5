"""A thread for work that ends with it."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from domainkit.threads import run_in_short_lived_thread

COUNT = """
import psutil, time, torch
from domainkit.inference.local import local_backend
torch.set_num_threads(2)
local_backend("builtin:smollm2-135m", quantization="none").engine()
counts = [0]
while len(counts) < 100 and len(set(counts[-10:])) > 1 or len(counts) < 10:
    time.sleep(0.1)  # threads that are ending are gone when the number stays the same for a second
    counts.append(psutil.Process().num_threads())
loaded = counts[-1]
torch.ones(512, 512) @ torch.ones(512, 512)
print(psutil.Process().num_threads() - loaded)
"""


def test_it_returns_and_raises_what_the_work_does_and_is_gone() -> None:
    assert run_in_short_lived_thread(threading.current_thread) not in threading.enumerate()
    with pytest.raises(ZeroDivisionError):
        run_in_short_lived_thread(lambda: 1 // 0)


def test_loading_a_base_leaves_the_calling_thread_no_workers() -> None:
    """They would crowd out the engine's. The thread has made none if its first large product makes one."""
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stdout + done.stderr
