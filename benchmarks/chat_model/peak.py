"""Peak memory of this process: on a GPU what torch has allocated, on a CPU the resident set as the kernel counts it."""

from __future__ import annotations

import resource
from pathlib import Path

import psutil
import torch

CLEAR = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")


class Peak:
    """The peak since the last `reset()`."""

    def __init__(self) -> None:
        self._gpu = torch.cuda.is_available()
        self._can_reset = self._gpu or self._reset_kernel_peak()
        self.how = (  # what is counted
            "bytes allocated by torch on the GPU (torch.cuda.max_memory_allocated)"
            if self._gpu
            else "resident set of the process: kernel's high-water mark (VmHWM), set back before each timing"
            if self._can_reset
            else "resident set of the process: high-water mark since its start (it cannot be set back here)"
        )

    def now(self) -> int:
        return torch.cuda.memory_allocated() if self._gpu else psutil.Process().memory_info().rss

    def reset(self) -> None:
        if self._gpu:
            torch.cuda.reset_peak_memory_stats()
        elif self._can_reset:
            self._reset_kernel_peak()

    def most(self) -> int:
        """Bytes."""
        if self._gpu:
            return torch.cuda.max_memory_allocated()
        if not self._can_reset:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        line = next(x for x in STATUS.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    @staticmethod
    def _reset_kernel_peak() -> bool:
        """Whether the kernel allows it: not in some containers."""
        try:
            CLEAR.write_text("5")  # proc(5): resets VmHWM
        except OSError:
            return False
        return True
