"""Starts `domainkit serve` as a user does, and stops it as a supervisor does."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STOP_SECONDS = 60


@contextmanager
def serving(*words: str | Path) -> Iterator[tuple[str, int]]:
    """(address, process id) of a server on a free port. It ends by SIGTERM, and must end well."""
    command = [sys.executable, "-m", "domainkit", "serve", *map(str, words), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            ready = process.stdout.readline()
            found = re.match(r"ready: (http://[\d.:]+)/v1", ready)
            if found is None:
                raise SystemExit(f"the server did not start: {ready}")
            yield found[1], process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(STOP_SECONDS)
    assert code == 0, f"the server ended with {code}"
