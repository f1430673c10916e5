"""The machine and the versions of its packages: the environment that every artifact records."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from domainkit import __version__
from domainkit.storage import JsonObject

PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "trl",
    "bitsandbytes",
    "accelerate",
    "tokenizers",
    "safetensors",
    "langchain-core",
    "llguidance",
    "bm25s",
    "sentence-transformers",
    "scikit-learn",
    "numpy",
    "scipy",
)
"""Packages whose versions may change a number."""


def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Versions of domainkit and of the installed packages, by name; one that is missing is left out."""
    installed = {"domainkit": __version__}
    for name in packages:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


def hardware() -> JsonObject:
    """Processor, cores and memory in GiB; the GPUs only when torch is already imported: asking it would import it."""
    facts: JsonObject = {"processor": _processor(), "cores": _usable_cores(), "memory_gib": _memory_gib()}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        facts["gpus"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return facts


def environment() -> JsonObject:
    """Python, platform, hardware and versions: what a reader needs to judge a number."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "hardware": hardware(),
        "versions": versions(),
    }


def memory_in_use() -> int:
    """Bytes of memory of this process: on a GPU the peak that torch has allocated, else the resident memory now."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        return sum(torch.cuda.max_memory_allocated(i) for i in range(torch.cuda.device_count()))
    import psutil

    return int(psutil.Process().memory_info().rss)


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as f:
            return next(line.split(":", 1)[1].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None
