"""What is said of a folder without questions that have answers: the command that makes or finds some."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from domainkit.errors import ConfigError
from domainkit.project.look import Found
from domainkit.project.tasks import FolderTask


def nothing_to_compare(found: Found, tasks: Sequence[FolderTask], left_out: Sequence[tuple[str, str]]) -> ConfigError:
    where, folder = str(found.folder), quote(str(found.folder))
    rows = quote(str(found.folder / "rows"))
    if tasks:
        file = tasks[0].files[0]
        what = f"{file.path} holds {file.rows:,} questions without answers: there is nothing to compare answers with"
        step = (
            f"write the answers into it, at least 50 of them; or let a large model write them: domainkit distil "
            f"--teacher PROVIDER:MODEL --inputs {quote(str(found.folder / file.path))} --out {rows}"
        )
    elif found.documents:
        what = f"holds documents ({counted(found.documents)}) and no questions with answers"
        step = (
            f"let a model write rows from them: domainkit make {folder} --writer PROVIDER:MODEL --out {rows}, "
            f"then domainkit init {folder} again; or add a file of your own questions and answers"
        )
    elif left_out:
        what = "holds no rows that can be used: " + "; ".join(f"{path} {why}" for path, why in left_out[:5])
        step = f"domainkit check {quote(str(found.folder / left_out[0][0]))} says more"
    else:
        names = ", ".join(path for path, _ in found.left_out[:5])
        what = f"holds nothing that can be used ({names})" if names else "is empty"
        step = "put a file of questions with answers into it (CSV, Excel, JSON Lines, Parquet), and your documents"
    return ConfigError(what, where=where, next_step=step)


def counted(names: Sequence[str]) -> str:
    """How many files of each kind."""
    suffixes = [Path(n).suffix.lower() for n in names]
    counts = ", ".join(f"{suffixes.count(s):,} {s}" for s in sorted(set(suffixes)))
    return f"{len(names):,} document file{'s' if len(names) != 1 else ''} ({counts})"
