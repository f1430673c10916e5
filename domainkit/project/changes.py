"""What has changed since the last run of a folder: its files by their digests, its settings by their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from domainkit.messages import JsonObject
from domainkit.project.config import Project, named
from domainkit.project.rows import digest_of
from domainkit.storage import write_text

RECORD = "project.json"
_ASKED = "of the questions only those are asked that are new, or asked otherwise"


class Started(BaseModel):
    """What a run started from. It is kept beside what the run writes."""

    model_config = ConfigDict(frozen=True)

    format: int = 1
    files: dict[str, str]
    """Digests, by the setting that names the file."""
    settings: JsonObject


def started(project: Project) -> Started:
    """Raises ConfigError for a file that is missing."""
    return Started(files={n: digest_of(s) for n, s in project.sources.items()}, settings=project.settings)


def last_start(project: Project) -> Started | None:
    """Of the run before; None where there was none, or its record cannot be read: then nothing can be said of it."""
    try:
        return Started.model_validate_json((project.out / RECORD).read_bytes())
    except (OSError, ValueError):
        return None


def keep(start: Started, out: Path) -> None:
    write_text(out / RECORD, start.model_dump_json(indent=1) + "\n")


def changes(before: Started, now: Started) -> list[str]:
    """One sentence for each change; none where all is as it was."""
    return [*_of_files(before, now), *_of_settings(before.settings, now.settings)]


def _of_files(before: Started, now: Started) -> Iterator[str]:
    for name, digest in now.files.items():
        was = before.files.get(name)
        if was is not None and was != digest and named(before.settings, name) == named(now.settings, name):
            trains = any(n == "fit" or n.startswith("fit.") for n in now.settings)
            divided = name.partition(".")[0] == "rows"
            anew = "rows are divided" if divided else "adapters are trained" if trains else "prompts are made"
            anew += " and adapters trained" if divided and trains else ""
            what = {"dev": "test questions are looked for in it anew", "task": "only questions that are new are asked"}
            yield f"{named(now.settings, name)} has changed: {what.get(name, f'{anew} anew; {_ASKED}')}"


def _of_settings(before: Mapping[str, object], now: Mapping[str, object]) -> Iterator[str]:
    for name in [*now, *(n for n in before if n not in now)]:
        if before.get(name) != now.get(name):
            was, is_now = (repr(v[name]) if name in v else "not there" for v in (before, now))
            yield f"run.toml, {name}: was {was}, is {is_now}"
