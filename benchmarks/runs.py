"""Runs a benchmark's commands: timed, with their output shown, and recorded without this machine's paths."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from domainkit.machine import environment

RESULTS = Path(__file__).parent / "results"


def timed(command: list[str]) -> dict[str, float]:
    """Run a command and wait for it; return wall and processor seconds. A failing command ends the benchmark."""
    print("$", " ".join(command), flush=True)
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": time.perf_counter() - start, "processor": spent}


def domainkit(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "domainkit", *map(str, words)]


def plain(command: list[str], **places: Path) -> str:
    """The command as a reader types it: folders by their names, without this machine's paths."""
    text = " ".join(command).replace(f"{sys.executable} -m domainkit", "domainkit").replace(sys.executable, "python")
    for name, path in places.items():
        text = text.replace(str(path), name)
    return text


def save(name: str, facts: dict[str, Any]) -> Path:
    """Write benchmarks/results/NAME.json, with the environment and the date."""
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {**facts, "environment": environment(), "created": datetime.now(UTC).date().isoformat()}
    path.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"wrote {path.name}")
    return path


def variants_of(run: Path) -> list[dict[str, Any]]:
    """The figures of a run's variants, from which the README's tables are made."""
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    keep = (
        "name",
        "family",
        "metrics",
        "groups",
        "difference",
        "usage",
        "latency",
        "retrieval",
        "failures",
        "settings",
    )
    return [{k: v[k] for k in keep} for v in results["variants"]]


def verdict_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "results.json").read_text(encoding="utf-8"))["verdict"]
