"""The result of a sweep: its rows, the best of them, the table, and the command that trains with its settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from pydantic import BaseModel, ConfigDict

from domainkit.corpus.example import Example
from domainkit.corpus.rows.columns import as_map
from domainkit.machine import environment
from domainkit.messages import JsonObject
from domainkit.storage import write_text

RESULTS = "sweep.json"


class Row(BaseModel):
    """One run of a sweep. `settings` are those that the grid sets; absent figures are None, with `error` saying why.

    `dev_loss` is in nats per target token, `forgetting` the bits per byte of general text beyond the base's
    (`general_text` is that text's SHA-256).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    settings: JsonObject
    folder: str
    epochs: float
    dev_loss: float | None = None
    score: float | None = None
    metric: str | None = None
    scored_by: str = ""
    """The metrics and the kind of task that were asked for."""
    parameters: int | None = None
    file_bytes: int | None = None
    peak_bytes: int | None = None
    seconds: float | None = None
    tokens: int | None = None
    forgetting: float | None = None
    general_text: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SweepResult:
    """All rows in the grid's order, and the winner; the examples it was chosen on."""

    rows: list[Row]
    winner: Row | None
    chosen_by: str
    dev: list[Example]


def choose(rows: Sequence[Row], criterion: str) -> tuple[Row | None, str]:
    """(the best row, what it was chosen by). The loss decides between equal scores."""
    done = [r for r in rows if r.dev_loss is not None]
    if not done:
        return None, criterion
    if criterion == "score" and all(r.score is not None for r in done):
        return min(done, key=lambda r: (-(r.score or 0.0), r.dev_loss or 0.0)), str(done[0].metric)
    return min(done, key=lambda r: r.dev_loss or 0.0), "dev loss"


def table(rows: Sequence[Row], winner: Row | None) -> Iterator[tuple[str, ...]]:
    """The rows as text, a heading first."""
    yield ("", "run", "score", "dev loss", "forgetting", "parameters", "file", "peak memory", "seconds")
    for r in rows:
        mark = "*" if winner is not None and r.folder == winner.folder else ""
        if r.error is not None:
            yield (mark, r.name, "failed", r.error, "", "", "", "", "")
            continue
        yield (
            mark,
            r.name,
            "" if r.score is None else f"{r.score:.3f}",
            f"{r.dev_loss:.3f}",
            "" if r.forgetting is None else f"{r.forgetting:+.3f}",
            f"{r.parameters or 0:,}",
            f"{(r.file_bytes or 0) / 1e6:.2f} MB",
            f"{r.peak_bytes / 2**30:.2f} GiB" if r.peak_bytes else "",
            f"{r.seconds or 0:.0f}",
        )


def write_result(out: Path, grid: JsonObject, settings: JsonObject, result: SweepResult) -> None:
    values = {
        "grid": grid,
        "settings": settings,
        "dev_examples": len(result.dev),
        "chosen_by": result.chosen_by,
        "winner": result.winner.folder if result.winner else None,
        "rows": [r.model_dump() for r in result.rows],
        "environment": environment(),
    }
    write_text(out / RESULTS, json.dumps(values, indent=1, default=str) + "\n")
    lines = [" | ".join(("", *cells_, "")).strip() for cells_ in table(result.rows, result.winner)]
    lines.insert(1, "|" + " --- |" * 9)
    write_text(out / "sweep.md", "\n".join(lines) + "\n")


def retrain(
    result: SweepResult, settings: JsonObject, data: str, out: str, columns: Mapping[str, str] | None = None
) -> str:
    """The command that trains the winner's settings on all examples; `columns` are those of --map."""
    if result.winner is None:
        return ""
    options = {**settings, **result.winner.settings, "epochs": result.winner.epochs}
    named = [f"--{k} {quote(str(options.pop(k)))}" for k in ("base", "method") if k in options]
    rest = (quote(f"{k}={short_value(v)}") for k, v in options.items())
    mapped = [f"--map {quote(as_map(columns))}"] if columns else []
    return " ".join(["domainkit train", f"--data {quote(data)}", *mapped, *named, f"--out {quote(out)}", *rest])


def short_value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value) if isinstance(value, list | bool) else str(value)
