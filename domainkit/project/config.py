"""What run.toml says beside the settings of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from domainkit.messages import JsonObject
from domainkit.splitting.method import By


class SplitConfig(BaseModel):
    """How `rows` are divided: the options of domainkit split."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, strict=True)

    by: By | None = None
    """What keeps rows together; left out, what the rows show."""
    field: str | None = None
    """The field of the group or time."""
    test: float = Field(0.2, gt=0, lt=1)
    """Share of the rows for test."""
    dev: float = Field(0.0, ge=0, lt=1)
    """Share of the rows for dev: a comparison neither learns nor asks them."""
    seed: int = 0
    """Another seed chooses other rows."""


class SampleConfig(BaseModel):
    """How many rows are used at most. Which ones, a hash of each row says: of more rows, most of them are chosen
    again."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, strict=True)

    train: int | None = Field(None, ge=1)
    """Rows to train on."""
    test: int | None = Field(None, ge=1)
    """Questions."""


@dataclass(frozen=True)
class Project:
    """A folder with its run.toml, read; every path as seen from where the command runs."""

    folder: Path
    out: Path
    """The folder of all that is written."""
    settings: JsonObject
    """The file's values, tables flattened: "fit.epochs"."""
    rows: tuple[str | Path, ...] = ()
    """Files of rows that are to be divided, read together; else `task`, and `train` where there is one."""
    train: str | Path | None = None
    task: str | Path | None = None
    dev: str | Path | None = None
    columns: Mapping[str, str] | None = None
    corpus: tuple[str, ...] = ()
    """Folders, files and patterns, as the file names them."""
    split: SplitConfig = field(default_factory=lambda: SplitConfig.model_validate({}))
    sample: SampleConfig = field(default_factory=lambda: SampleConfig.model_validate({}))
    options: JsonObject = field(default_factory=dict)
    """All other arguments of `compare()`."""

    @property
    def sources(self) -> dict[str, str | Path]:
        """What holds the rows, by the name of its setting; of several rows that of the second is "rows.2"."""
        rows = {f"rows.{i}" if i > 1 else "rows": source for i, source in enumerate(self.rows, start=1)}
        given = {**rows, "train": self.train, "task": self.task, "dev": self.dev}
        return {name: source for name, source in given.items() if source is not None}


def named(settings: JsonObject, source: str) -> object:
    """What run.toml calls one of `Project.sources`; the source itself where its setting is not there."""
    name, _, number = source.partition(".")
    value = settings.get(name, source)
    if isinstance(value, list):
        return value[int(number or 1) - 1] if len(value) >= int(number or 1) else source
    return source if number else value
