"""SandboxedReader: the process that parses files, seen from outside."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from domainkit.corpus.document import Document
from domainkit.corpus.sandbox.child import ANSWER_BYTES, CPU_SECONDS, MEMORY_BYTES
from domainkit.errors import Problem
from domainkit.storage import JsonObject

WALL_SECONDS = 60.0
"""From a request to its answer; a scanned page begins them anew."""
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from domainkit.corpus.sandbox.child import main; main()"
)
_NEXT_STEP = "save it again from the program that made it, or split it; do not trust it if it is not yours"


class SandboxedReader:
    """Reads files one after the other in a process with limits, which is started at the first file and again after
    one that ended it. For one thread; close it, or use it in a `with` block."""

    def __init__(self, wall_seconds: float = WALL_SECONDS) -> None:
        self.wall_seconds = wall_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._lines: queue.Queue[bytes] = queue.Queue()

    def __enter__(self) -> SandboxedReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def read(self, path: Path, name: str, suffix: str) -> tuple[list[Document], list[Problem]]:
        """The file's documents and problems; a file that cannot be read, or ends the process, is one error."""
        try:
            answer = self._ask({"path": str(path.absolute()), "name": name, "suffix": suffix})
        except BaseException:
            self._end()
            raise
        if answer.get("last", True):
            self._end()
        if (failure := answer.get("failure")) is not None:
            return [], [Problem(str(path), None, str(failure), answer.get("next_step") or _NEXT_STEP)]
        # The process knows the file by its absolute path; the user by the one that was given.
        problems = [
            Problem(str(path), line, what, step, severity) for _, line, what, step, severity in answer["problems"]
        ]
        documents = [Document(**{**row, "source": str(path)}) for row in answer["documents"]]
        return documents, problems

    def close(self) -> None:
        """End the process and all that it started; what another thread is reading fails."""
        self._closed = True
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        _kill(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what could not be written to a process that has ended
                    pipe.close()
        process.wait()

    def _ask(self, request: dict[str, str]) -> JsonObject:
        if self._closed:
            return {"failure": "was not read: reading was ended"}
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:  # it ended between two files
            self._end()
            process = self._start()
            assert process.stdin is not None
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        while True:
            try:
                line = self._lines.get(timeout=self.wall_seconds)
            except queue.Empty:
                return {"failure": f"took more than {self.wall_seconds:.0f} seconds to be read"}
            if not line.endswith(b"\n"):
                return {"failure": self._reason(process)}
            answer: JsonObject = json.loads(line)
            if not answer.get("step"):
                return answer

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "2",  # each further arena of malloc would take 64 MB of the memory it may address
            "PYTHONIOENCODING": "utf-8",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # what it starts, such as tesseract, is ended with it
        )
        self._lines = queue.Queue()
        assert self._process.stdout is not None
        threading.Thread(target=_pump, args=(self._process.stdout, self._lines), daemon=True).start()
        return self._process

    def _reason(self, process: subprocess.Popen[bytes]) -> str:
        """Why the process ended without an answer."""
        try:
            code = process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "answered with more than can be read"
        if code == -getattr(signal, "SIGXCPU", 24):
            return f"took more than {CPU_SECONDS} seconds of processor time to be read"
        if code in (-signal.SIGABRT, -signal.SIGSEGV, -getattr(signal, "SIGKILL", 9)):
            return f"broke its reader, or needs more than {MEMORY_BYTES // 2**20:,} MiB of memory"
        return f"ended its reader (exit code {code})"


def _pump(output: IO[bytes], lines: queue.Queue[bytes]) -> None:
    """Move the answers into the queue; the last line has no line end."""
    try:
        while line := output.readline(2 * ANSWER_BYTES):
            lines.put(line)
    except (OSError, ValueError):  # closed by `close`
        pass
    lines.put(b"")


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        pass
