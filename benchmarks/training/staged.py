"""A command of domainkit that also writes what it is doing to a file, as its own progress tells it.

STAGE=FILE python -m benchmarks.training.staged ask "where is my hive?"
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from domainkit import progress
from domainkit.cli import main
from domainkit.progress.display import Nothing


class Stage(Nothing):
    """A display of progress that keeps the stage of `command` in a file; before its first one, all is import."""

    def __init__(self, file: Path, command: str) -> None:
        self._file = file
        self._loaded = "first step" if command == "train" else "answer"

    def report(self, name: str, done: int, total: int, note: str, left: float | None) -> None:
        if name == "training":
            self._file.write_text("save" if done == total else "next steps")

    def begin(self, name: str) -> None:
        if name == "starting the training":  # the process that trains tells its steps only
            self._file.write_text("first step")
        elif name.startswith("loading "):
            self._file.write_text("load")

    def end(self, name: str) -> None:
        if name.startswith("loading "):
            self._file.write_text(self._loaded)


if __name__ == "__main__":
    with progress._opened(Stage(Path(os.environ["STAGE"]), sys.argv[1])):
        main()
