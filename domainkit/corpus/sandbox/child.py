"""The process that parses files: one request a line on its input, one answer a line on its output.

It limits itself before it opens anything. What goes beyond the limits ends this process, and costs one file.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from domainkit.storage import JsonObject

MEMORY_BYTES = 2**30
CPU_SECONDS = 30
"""For each file."""
FILE_BYTES = 50 * 2**20
"""Of any file that a library might write."""
ANSWER_BYTES = 50 * 2**20
LEAKED_BYTES = 400 * 2**20
"""A process that has needed more than this ends after its answer, and the next file gets a new one."""


def main() -> None:
    """Answer requests {"path", "name", "suffix"} until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull, "w") as nowhere:  # libraries print; only answers may stand on the output
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    limit_process()
    for line in sys.stdin:
        allow_cpu(CPU_SECONDS)
        answer = read(json.loads(line), answers)
        answer["last"] = is_swollen()
        send(answers, answer)
        if answer["last"]:
            return


def limit_process() -> None:
    """Memory, size of written files and core dumps; nothing where the system has no such limits."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, amount in limits.items():
        try:
            hard = resource.getrlimit(kind)[1]
            amount = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
            resource.setrlimit(kind, (amount, hard))
        except (ValueError, OSError):  # macOS refuses a limit of memory
            continue


def allow_cpu(seconds: int) -> None:
    """Let this process use so many seconds more; beyond them the system ends it."""
    try:
        import resource
    except ImportError:  # Windows
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime) + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    wanted = used + seconds if hard == resource.RLIM_INFINITY else min(used + seconds, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (wanted, hard))


def is_swollen() -> bool:
    """Whether this process has needed much memory; libraries do not give all of it back."""
    return _peak_bytes() > LEAKED_BYTES


def _peak_bytes() -> int:
    # Not getrusage on Linux: its maximum includes what the parent held when it started this process.
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def read(request: dict[str, str], answers: TextIO) -> JsonObject:
    """{"documents", "problems"} of a file, or {"failure": why it cannot be read}."""
    from domainkit.corpus.readers import READERS
    from domainkit.corpus.reading import collecting_warnings
    from domainkit.errors import DataError, DomainkitError

    path = Path(request["path"])
    try:
        with collecting_warnings(on_step=lambda: send(answers, {"step": True})) as warnings:
            documents = list(READERS.load(request["suffix"])(path, request["name"]))
    except DataError as e:
        return {"documents": [], "problems": [as_row(p) for p in e.problems]}
    except DomainkitError as e:
        return {"failure": e.what, "next_step": e.next_step}
    except MemoryError:
        return {"failure": f"needs more than {MEMORY_BYTES // 2**20:,} MiB of memory to be read"}
    except RecursionError:
        return {"failure": "is nested too deep"}
    except ImportError as e:
        return {"failure": f"needs the package {e.name}", "next_step": f"pip install {e.name}"}
    except Exception as e:  # a library stumbled over this file; the others are to be read all the same
        return {"failure": f"cannot be read: {type(e).__name__}: {' '.join(str(e).split())[:200]}"}
    return {"documents": [d.model_dump(mode="json") for d in documents], "problems": [as_row(p) for p in warnings]}


def as_row(problem: Any) -> list[Any]:
    return [problem.path, problem.line, problem.what, problem.next_step, problem.severity]


def send(answers: TextIO, answer: JsonObject) -> None:
    text = json.dumps(answer)
    if len(text) > ANSWER_BYTES:
        what = f"holds more than {ANSWER_BYTES // 2**20} MiB of text"
        text = json.dumps({"failure": what, "next_step": "split it", "last": answer.get("last", False)})
    answers.write(text + "\n")
    answers.flush()
