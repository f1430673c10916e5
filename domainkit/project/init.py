"""run.toml for a folder: what must hold before it is written, and its text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from domainkit.errors import ConfigError, MachineError, saving
from domainkit.project.choices import Chosen
from domainkit.project.look import RUN_FILE, Found, look
from domainkit.project.run_toml import text_of
from domainkit.storage import check_writable, write_text

KEPT = "run.toml.old"
"""What a run.toml that is replaced is called afterwards."""
SHOWN = 20
"""Files that are not used, as run.toml names them."""
TABLES = {
    "split": "How rows are divided into train, dev and test.",
    "sample": "How many rows of each part are used at most. Which ones, a hash of each row says.",
    "fit": "How adapters are trained: the settings of domainkit train. Without this table nothing is trained.",
    "models": "Chat models beside the base, asked the same questions: hosted ones, or servers of your own.",
}


def begin(folder: Path, *, force: bool = False) -> Found:
    """What is in `folder`. Raises ConfigError where run.toml is there already, unless `force`; MachineError
    where it could not be written."""
    file = folder / RUN_FILE
    if file.exists() and not force:
        step = f"change it with an editor, then domainkit run {quote(str(folder))}; --force writes a new one beside it"
        raise ConfigError("is there already", where=str(file), next_step=step)
    found = look(folder)
    try:
        check_writable(file)
    except MachineError as e:
        e.next_step = "copy the folder to where you may write, and run domainkit init there"
        raise
    return found


def write(folder: Path, chosen: Chosen) -> Path:
    """Write run.toml; one that is there is kept as run.toml.old. Returns the file."""
    file = folder / RUN_FILE
    text = text_of(chosen.settings, _head(folder, chosen.not_used), TABLES)
    with saving(file):
        if file.exists():
            file.replace(folder / KEPT)
        write_text(file, text)
    return file


def _head(folder: Path, not_used: Sequence[tuple[str, str]]) -> list[str]:
    return [
        "Written by domainkit init, to be read and changed. Paths are seen from this folder, which may be moved.",
        f"domainkit run {quote(folder.name or str(folder))} does all of it, and after a change only what has changed.",
        "Settings not named here are those of domainkit compare (domainkit compare --help lists them).",
        *(f"Not used: {path} {why}." for path, why in not_used[:SHOWN]),
        *([f"And {len(not_used) - SHOWN:,} more are not used."] if len(not_used) > SHOWN else []),
    ]
