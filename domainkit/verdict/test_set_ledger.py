"""The ledger of test sets: how often the same questions were used for a comparison, on this machine.

Each look at a test set spends a little of it: the best of 12 equal configurations looks 5 points better than it is at 200 questions.
A set is known by its questions and answers, whatever its file is called and in whatever order they stand. One line a look is kept
in the user's state folder; no text of any question is in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path
from typing import Any, Literal

from scipy.special import ndtri

from domainkit.evaluation.task import Sample
from domainkit.results.schema import SetUse
from domainkit.storage import sha256_json, sha256_lines, state_dir

Purpose = Literal["test", "dev"]
FILE = "test_sets.jsonl"
OFTEN = 5
"""Different comparisons on one test set from which on the report warns."""


def content_of(samples: Iterable[Sample]) -> str:
    """SHA-256 of the questions and answers, whatever their order, ids and file."""
    return sha256_lines(sorted(sha256_json([s.input, s.target]) for s in samples))


def settings_of_run(keys: Iterable[str], baseline: str, options: Mapping[str, Any]) -> str:
    """What makes two looks different: the variants' content keys, the baseline and the options. A resumed run is the same look."""
    return sha256_json([sorted(keys), baseline, dict(options)])


def record_use(content: str, settings: str, purpose: Purpose, name: str, folder: Path | None = None) -> SetUse:
    """Write this look down, unless it is known, and count. A ledger that cannot be kept is told, and stops nothing."""
    file = (folder or state_dir()) / FILE
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entry = {"set": content, "settings": settings, "purpose": purpose, "task": name, "at": now}
    try:
        looks = _looks(file, content)
        if not any(look["settings"] == settings and look["purpose"] == purpose for look in looks):
            _append(file, entry)
            looks.append(entry)
    except OSError as e:
        return SetUse(purpose=purpose, unknown=f"the ledger {file} cannot be kept: {e.strerror or e}")
    return SetUse(
        purpose=purpose,
        comparisons=len({look["settings"] for look in looks if look["purpose"] == "test"}),
        for_choosing=len({look["settings"] for look in looks if look["purpose"] == "dev"}),
        first=looks[0]["at"],
    )


def _looks(file: Path, content: str) -> list[dict[str, Any]]:
    """The set's looks, oldest first; a line that is cut or spoilt is passed over."""
    found = []
    if file.exists():
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                look = json.loads(line)
            except ValueError:
                continue
            if isinstance(look, dict) and look.get("set") == content and {"settings", "purpose", "at"} <= look.keys():
                found.append(look)
    return found


def _append(file: Path, entry: dict[str, Any]) -> None:
    """One write of one line: two processes at once do not mix theirs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, json.dumps(entry).encode() + b"\n")
    finally:
        os.close(handle)


def cautions(use: SetUse, score: float | None, n: int) -> list[str]:
    """What a reader must know of the set's past."""
    found = []
    if use.unknown:
        return [f"How often these questions were used is not known: {use.unknown}."]
    if use.purpose == "dev":
        found.append("These questions are for choosing (purpose=dev): report a score on others.")
    elif use.for_choosing:
        times = "once" if use.for_choosing == 1 else f"{use.for_choosing} times"
        found.append(f"These questions were used {times} to choose settings (purpose=dev): they are no test any more.")
    if use.purpose == "test" and use.comparisons >= OFTEN:
        found.append(
            f"This is the {_ordinal(use.comparisons)} different comparison on these questions: were all of them equal, the best "
            f"would look about {100 * luck(use.comparisons, score, n):.1f} points better than it is. "
            "Choose on other questions (purpose=dev), report on these."
        )
    return found


def luck(k: int, score: float | None, n: int) -> float:
    """By how much the best of `k` equal configurations is expected to exceed its true score (Blom 1958), as a fraction."""
    mean = min(max(0.5 if score is None else score, 0.0), 1.0)
    return float(ndtri((k - 0.375) / (k + 0.25))) * sqrt(mean * (1 - mean) / max(n, 1))


def _ordinal(k: int) -> str:
    return f"{k}{'th' if 10 <= k % 100 <= 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(k % 10, 'th')}"
