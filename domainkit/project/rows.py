"""The rows of a run: checked, divided, and drawn. What is written lies in a folder whose name has their digest, so
that a run goes on with it, and rows that have changed are divided anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from domainkit.corpus.check import Inspection, inspect
from domainkit.corpus.read_files import ready_rows
from domainkit.corpus.rows.columns import Columns, columns_for
from domainkit.errors import ConfigError, DataError
from domainkit.evaluation.kinds.label import LABELS_FILE
from domainkit.messages import JsonObject
from domainkit.project.config import Project
from domainkit.splitting.assign import PARTS
from domainkit.splitting.divide import Progress
from domainkit.splitting.split import FACTS, split
from domainkit.storage import sha256_file, sha256_json, sha256_lines, staged_folder

FORM = 2
"""Of the rows that are written: another form is written into another folder."""


@dataclass(frozen=True)
class RunRows:
    """The rows that are trained on and asked."""

    train: str | Path | None
    task: str | Path
    dev: str | Path | None
    folder: Path | None
    """Where they were written; None where the files are used as they are."""
    is_new: bool = False
    facts: Mapping[str, JsonObject] | None = None
    """What split.json says."""
    columns: Columns | None = None
    """What must be said to read them; rows that were written need none."""


def check_rows(project: Project) -> dict[str, Inspection]:
    """What `domainkit check` finds in each file, by the setting that names it. Raises DataError for errors in rows that
    are trained on; those in test rows are found where the questions are read."""
    found = {
        name: inspect(source, None, columns_for(source, project.columns)) for name, source in project.sources.items()
    }
    errors = [
        p
        for n, f in found.items()
        if n.partition(".")[0] in ("rows", "train")
        for p in f.problems
        if p.severity == "error"
    ]
    if errors:
        raise DataError(errors)
    return found


def digest_of(source: str | Path) -> str:
    """Of the bytes of a file, or of all files of a saved data set; the name of one of the hub.

    Raises ConfigError for a file that is missing.
    """
    path = Path(source)
    try:
        if path.is_dir():
            return sha256_lines(f"{p.name} {sha256_file(p)}" for p in sorted(path.rglob("*")) if p.is_file())
        return sha256_file(path) if not str(source).startswith("hf:") else str(source)
    except OSError as e:
        step = "put it back, or name another one in run.toml"
        raise ConfigError(f"cannot be read: {e.strerror or e}", where=str(source), next_step=step) from e


def rows_of(project: Project, on_progress: Progress | None = None) -> RunRows:
    """The rows, written where they are divided or drawn; what an earlier run has written is used again."""
    if not project.rows and project.sample.train is None and project.sample.test is None:
        assert project.task is not None
        return RunRows(project.train, project.task, project.dev, None, columns=project.columns)
    made_from = {
        "form": FORM,
        "files": {name: digest_of(source) for name, source in project.sources.items()},
        "columns": dict(project.columns or {}),
        "split": project.split.model_dump() if project.rows else None,
        "sample": project.sample.model_dump(),
    }
    folder = project.out / f"rows-{sha256_json(made_from)[:12]}"
    is_new = not (folder / FACTS).is_file()
    if is_new:
        _write(project, folder, on_progress)
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    parts = {name: folder / f"{name}.jsonl" for name in PARTS}
    there = {name: file if file.is_file() else None for name, file in parts.items()}
    return RunRows(there["train"], parts["test"], there["dev"], folder, is_new, facts)


def _write(project: Project, folder: Path, on_progress: Progress | None) -> None:
    """Each part as JSON Lines, and split.json, whole or not at all."""
    most = {"train": project.sample.train, "test": project.sample.test, "dev": None}
    parts, facts = _divided(project, on_progress) if project.rows else _given(project)
    with staged_folder(folder) as staged:
        facts["of"] = {name: len(rows) for name, rows in parts.items()}
        facts["used"] = {}
        facts["name"] = project.folder.resolve().name
        for name, rows in parts.items():
            used = _drawn(rows, most[name])
            facts["used"][name] = len(used)
            text = "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in used)
            if used:
                (staged / f"{name}.jsonl").write_text(text, encoding="utf-8", newline="\n")
        labels = Path(next(iter(project.sources.values()))).parent / LABELS_FILE
        if labels.is_file():  # it is looked for beside the questions
            shutil.copyfile(labels, staged / LABELS_FILE)
        (staged / FACTS).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _divided(project: Project, on_progress: Progress | None) -> tuple[dict[str, list[JsonObject]], JsonObject]:
    data, columns = _read_together(project)
    made = split(data, columns=columns, on_progress=on_progress, **project.split.model_dump())
    if made.kind != "examples":
        what, step = f"holds {made.kind}, not questions with answers", "domainkit prefer trains on them"
        raise ConfigError(what, where=", ".join(map(str, project.rows)), next_step=step)
    parts = {
        name: [row for row, p in zip(made.rows, made.parts, strict=True) if p == part]
        for part, name in enumerate(PARTS)
    }
    return parts, dict(made.facts)


def _read_together(project: Project) -> tuple[object, Columns | None]:
    """The one file and its columns, or the rows of several, which need none."""
    if len(project.rows) == 1:
        return project.rows[0], columns_for(project.rows[0], project.columns)
    return [row for s in project.rows for row in ready_rows(s, columns_for(s, project.columns))], None


def _given(project: Project) -> tuple[dict[str, list[JsonObject]], JsonObject]:
    sources = {"train": project.train, "dev": project.dev, "test": project.task}
    rows = {name: ready_rows(s, columns_for(s, project.columns)) for name, s in sources.items() if s is not None}
    return rows, {"by": "the names of the files"}


def _drawn(rows: list[JsonObject], most: int | None) -> list[JsonObject]:
    """At most so many rows, in the order of the file."""
    if most is None or len(rows) <= most:
        return rows
    chosen = sorted(range(len(rows)), key=lambda i: sha256_json(rows[i]))[:most]
    return [rows[i] for i in sorted(chosen)]
