"""Peak memory of this process: on a GPU what torch has allocated there, else the resident set as the kernel counts it."""

from __future__ import annotations

import resource
from pathlib import Path

import psutil
import torch

CLEAR = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")


class Peak:
    """`most()` is the peak in bytes since the last `reset()`; `how` says what is counted."""

    def __init__(self) -> None:
        self._gpu = torch.cuda.is_available()
        self._resets = self._gpu or self._forgets()
        self.how = (
            "bytes allocated by torch on the GPU (torch.cuda.max_memory_allocated)"
            if self._gpu
            else "resident set of the process: kernel's high-water mark (VmHWM), set back before each timing"
            if self._resets
            else "resident set of the process: high-water mark since its start (it cannot be set back here)"
        )

    def now(self) -> int:
        return torch.cuda.memory_allocated() if self._gpu else psutil.Process().memory_info().rss

    def reset(self) -> None:
        if self._gpu:
            torch.cuda.reset_peak_memory_stats()
        elif self._resets:
            CLEAR.write_text("5")

    def most(self) -> int:
        if self._gpu:
            return torch.cuda.max_memory_allocated()
        if not self._resets:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        line = next(x for x in STATUS.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    @staticmethod
    def _forgets() -> bool:
        try:
            CLEAR.write_text("5")
        except OSError:
            return False
        return True
