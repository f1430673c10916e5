"""The ledger of test sets: how often the same questions were used for a comparison, on this machine.

Each look makes a test set a little less independent: the best of 12 equal configurations looks 5 points better than it
is at 200 questions. A set is identified by its questions and answers, not by its file or their order. Each look is one
line of a file in the user's state folder, which holds no text of a question.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypedDict, cast

from domainkit.errors import MachineError
from domainkit.evaluation.task import Sample
from domainkit.results.schema import SetUse
from domainkit.storage import sha256_json, sha256_lines, state_dir

Purpose = Literal["test", "dev"]
FILE = "test_sets.jsonl"


class Look(TypedDict):
    """One line of the ledger."""

    set: str
    """`content_of` the test set."""
    settings: str
    """`settings_of_run`."""
    purpose: Purpose
    task: str
    at: str
    """UTC, ISO 8601."""


def content_of(samples: Iterable[Sample]) -> str:
    """SHA-256 of the questions and answers, whatever their order, ids and file."""
    return sha256_lines(sorted(sha256_json([s.query, s.target]) for s in samples))


def settings_of_run(keys: Iterable[str], baseline: str, options: Mapping[str, object]) -> str:
    """SHA-256 of what makes two looks different; a resumed run is the same look. `keys` are content keys."""
    return sha256_json([sorted(keys), baseline, dict(options)])


def record_use(content: str, settings: str, purpose: Purpose, name: str, folder: Path | None = None) -> SetUse:
    """Add this look, unless the ledger has it, and count. A ledger that cannot be written is reported, not raised."""
    try:
        file = (folder or state_dir()) / FILE
    except MachineError as e:
        return SetUse(purpose=purpose, unknown=f"there is no ledger: {e.what}")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entry = Look(set=content, settings=settings, purpose=purpose, task=name, at=now)
    try:
        looks = _looks(file, content)
        if not any(look["settings"] == settings and look["purpose"] == purpose for look in looks):
            _append(file, entry)
            looks.append(entry)
    except OSError as e:
        return SetUse(purpose=purpose, unknown=f"the ledger {file} cannot be written: {e.strerror or e}")
    return SetUse(
        purpose=purpose,
        comparisons=len({look["settings"] for look in looks if look["purpose"] == "test"}),
        for_choosing=len({look["settings"] for look in looks if look["purpose"] == "dev"}),
        first=looks[0]["at"],
    )


def _looks(file: Path, content: str) -> list[Look]:
    """The set's looks, oldest first; a damaged line is ignored."""
    looks: list[Look] = []
    if file.exists():
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                look = json.loads(line)
            except ValueError:
                continue
            if isinstance(look, dict) and look.get("set") == content and {"settings", "purpose", "at"} <= look.keys():
                looks.append(cast("Look", look))
    return looks


def _append(file: Path, entry: Look) -> None:
    """One write of one line: the lines of two processes do not mix."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, json.dumps(entry).encode() + b"\n")
    finally:
        os.close(handle)
