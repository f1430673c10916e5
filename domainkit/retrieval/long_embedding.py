"""Vectors of very many texts: their time is measured on a sample first; they are written block by block into a file,
and continued where they stopped."""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from domainkit import progress
from domainkit.errors import MachineError
from domainkit.storage import locked_folder

BLOCK, SAMPLE = 2048, 32
"""Texts that are embedded between two writes, which are also the most that are embedded without all this; and texts
whose time is measured."""
HOURS = 1.0
"""Embedding that would take longer is refused, unless more is allowed."""
WORTH_SAYING = 60.0
"""Seconds from which a line says beforehand how long it takes."""

EmbedBlock = Callable[[list[str]], np.ndarray]
"""Texts to rows of length 1, float32 (texts, width)."""
EmbeddingProgress = Callable[[str, int, int], None]
"""(what is done, texts done, texts in all)."""
log = logging.getLogger("domainkit")


def embed_in_blocks(
    texts: Sequence[str], embed: EmbedBlock, work: Path, hours: float, on_progress: EmbeddingProgress | None = None
) -> np.ndarray:
    """The vectors of `texts`, float32 (texts, width), mapped from a file in the folder `work`.

    What an interrupted run left in `work` is not embedded again. Raises MachineError where the rest would take more
    than `hours`, ConfigError where another process is at it.
    """
    report = on_progress or progress.report
    with locked_folder(work):
        done, width = _state(work)
        seconds = refuse_long(texts, embed, hours, done)
        if seconds > WORTH_SAYING:
            left = f"; {done:,} are done" if done else ""
            log.warning("embedding %s texts takes about %s%s", f"{len(texts):,}", duration(seconds), left)
        with (work / "rows.f32").open("a+b") as file:
            file.truncate(4 * done * width)  # a kill may have cut the last block
            while done < len(texts):
                report("embedding", done, len(texts))
                rows = np.ascontiguousarray(embed(list(texts[done : done + BLOCK])), np.float32)
                file.write(rows.tobytes())
                file.flush()
                done, width = done + len(rows), rows.shape[1]
                _write_state(work, done, width)
            report("embedding", done, len(texts))
        return np.memmap(work / "rows.f32", np.float32, "r", shape=(len(texts), width))


def remove_work(work: Path) -> None:
    """Once the vectors are kept elsewhere."""
    shutil.rmtree(work, ignore_errors=True)


def refuse_long(texts: Sequence[str], embed: EmbedBlock, hours: float, done: int = 0) -> float:
    """The seconds that embedding the texts after the first `done` takes, by a sample of them; 0 for one block.

    Raises MachineError where that is more than `hours`.
    """
    rest = len(texts) - done
    if rest <= BLOCK:
        return 0.0
    sample = list(texts[done :: max(1, rest // SAMPLE)][:SAMPLE])
    embed(sample[:1])  # what is loaded once is not counted
    started = time.perf_counter()
    embed(sample)
    seconds = (time.perf_counter() - started) / len(sample) * rest
    if seconds > 3600 * hours:
        raise MachineError(
            f"embedding {rest:,} texts would take about {duration(seconds)} on this machine; "
            f"at most {duration(3600 * hours)} are allowed",
            next_step="retrieve by words, which takes seconds (kind='lexical'; compare: retriever=lexical), "
            f"or allow it: embed_hours={math.ceil(1.2 * seconds / 3600)}",
        )
    return seconds


def duration(seconds: float) -> str:
    """ "40 s", "12 min", "7 h 30 min"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def done_in(work: Path) -> int:
    """How many texts an interrupted run has embedded."""
    return _state(work)[0]


def _state(work: Path) -> tuple[int, int]:
    """(texts whose rows are in the file, width)."""
    try:
        state = json.loads((work / "state.json").read_text(encoding="utf-8"))
        done, width = int(state["done"]), int(state["width"])
        return (done, width) if (work / "rows.f32").stat().st_size >= 4 * done * width else (0, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0


def _write_state(work: Path, done: int, width: int) -> None:
    new = work / "state.new"
    new.write_text(json.dumps({"done": done, "width": width}), encoding="utf-8")
    new.replace(work / "state.json")
