"""A folder's run.toml: the settings of compare as its own run file has them, and the tables [split] and [sample].

Paths are seen from the folder. An error names the file, and the line of the setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from domainkit.cli.compare import compare_arguments
from domainkit.comparison.config import CompareConfig
from domainkit.comparison.inputs import parse_options
from domainkit.corpus.rows.formats.hub import PREFIX
from domainkit.errors import ConfigError, place, validation_error_text
from domainkit.messages import JsonObject
from domainkit.project.choices import OUT
from domainkit.project.config import Project, SampleConfig, SplitConfig
from domainkit.project.look import RUN_FILE
from domainkit.storage import read_bytes, read_toml

if TYPE_CHECKING:
    from domainkit.training.config import TrainConfig

M = TypeVar("M", bound=BaseModel)
PARTS = ("train", "task", "dev")
PATHS = ("general", "general_text", "prices")
MAYBE_PATHS = ("base", "judge", "rubric")


def read_project(folder: Path) -> Project:
    """Raises ConfigError for a folder without run.toml, and for every wrong setting."""
    if folder.name == RUN_FILE and folder.is_file():
        folder = folder.parent
    file = folder / RUN_FILE
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "there is no such folder"
        raise ConfigError(what, where=str(folder), next_step="name the folder in which domainkit init wrote run.toml")
    if not file.is_file():
        step = f"write one: domainkit init {quote(str(folder))}"
        raise ConfigError(f"has no {RUN_FILE}", where=str(folder), next_step=step)
    values = read_toml(file)
    with _named_line(file, values):
        return _project(folder, values)


def _project(folder: Path, values: JsonObject) -> Project:
    settings = dict(_flat(values))
    split, sample = _table(values, "split", SplitConfig), _table(values, "sample", SampleConfig)
    corpus = _paths(values.pop("corpus", None), "corpus", "manuals", "*.pdf")
    rows = _paths(values.pop("rows", None), "rows", "tickets.csv", "notes.csv")
    sources = {name: _taken_text(values, name) for name in PARTS}
    _check_sources(rows, sources, settings)
    out = _taken_text(values, "out") or OUT
    arguments = compare_arguments(values, fit="fit" in values)
    parse_options({k: v for k, v in arguments.items() if k in CompareConfig.model_fields})
    columns = arguments.pop("columns")
    return Project(
        folder,
        folder / out,
        settings,
        rows=tuple(_source(folder, one) for one in rows),
        **{name: _source(folder, value) for name, value in sources.items() if value is not None},
        columns=columns,
        corpus=corpus,
        split=split,
        sample=sample,
        options=_seen_from(folder, arguments),
    )


def _check_sources(rows: tuple[str, ...], sources: Mapping[str, str | None], settings: JsonObject) -> None:
    task = sources["task"]
    if len(set(rows)) < len(rows):
        raise ConfigError("'rows' names a file twice", next_step="name each file once")
    if rows and (other := next((n for n in PARTS if sources[n]), None)):
        what = f"'{other}' is given beside 'rows', which are divided into all parts"
        raise ConfigError(what, next_step="keep rows alone, or task with train and dev")
    if not rows and not task:
        raise ConfigError("neither 'rows' nor 'task' is given", next_step='write rows = "FILE", or task and train')
    unused = [n for n in settings if n.startswith("split.")] if not rows else []
    if unused:
        what = f"'{unused[0]}' is set, and no rows are to be divided"
        raise ConfigError(what, next_step="leave the table [split] out, or give rows instead of task and train")
    trains = [n for n in settings if n == "fit" or n.startswith("fit.") or n == "sample.train"]
    if trains and not rows and not sources["train"]:
        what = f"'{trains[0]}' is set, and there are no rows to train on"
        raise ConfigError(what, next_step="give train, or leave this out")


def _table(values: JsonObject, name: str, model: type[M]) -> M:
    table = values.pop(name, {})
    if not isinstance(table, Mapping):
        raise ConfigError(f"{name}={table!r} is not a table", next_step=f"write [{name}] on a line above its settings")
    try:
        return model.model_validate(dict(table))
    except ValidationError as e:
        clauses = "; ".join(validation_error_text(error, model) for error in e.errors())
        raise ConfigError(clauses, where=name, next_step=f"one of: {', '.join(model.model_fields)}") from e


def _paths(value: object, setting: str, *example: str) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if names is None:
        return ()
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n for n in names):
        what = f"{setting}={value!r} is neither a path nor a list of paths"
        both = ", ".join(f'"{one}"' for one in example)
        raise ConfigError(what, next_step=f'write {setting} = "{example[0]}", or {setting} = [{both}]')
    return tuple(names)


def _taken_text(values: JsonObject, name: str) -> str | None:
    value = values.pop(name, None)
    if value is not None and (not isinstance(value, str) or not value):
        raise ConfigError(f"{name}={value!r} is not a path", next_step="write a path as text, in quotes")
    return value


def _source(folder: Path, value: str) -> str | Path:
    return value if value.startswith(PREFIX) else folder / value


def _seen_from(folder: Path, arguments: JsonObject) -> JsonObject:
    """The arguments with every path seen from the folder. What may be a path or a name is a path where there is such a
    file or folder."""
    seen = dict(arguments)
    for name, value in arguments.items():
        if isinstance(value, Path) or (name in PATHS and isinstance(value, str)):
            seen[name] = str(folder / value)
        elif name in MAYBE_PATHS and isinstance(value, str):
            seen[name] = _maybe(folder, value)
    for name in ("curve", "replicas"):
        seen[name] = [str(folder / path) for path in arguments[name]]
    seen["models"] = {name: _maybe(folder, spec) for name, spec in arguments["models"].items()}
    fit: TrainConfig | None = arguments["fit"]
    if fit is not None:
        seen["fit"] = fit.model_copy(update={"base": _maybe(folder, fit.base)})
    return seen


def _maybe(folder: Path, value: str) -> str:
    with suppress(OSError, ValueError):  # a text that is too long for a path, or has a NUL
        if (folder / value).exists():
            return str(folder / value)
    return value


def _flat(values: Mapping[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", {} if isinstance(value, Mapping) else value


@contextmanager
def _named_line(file: Path, values: JsonObject) -> Iterator[None]:
    """Errors name the file, and the line of the setting that they are about."""
    names = [name for name, _ in _flat(values)] + [n for n, v in values.items() if isinstance(v, Mapping)]
    try:
        yield
    except ConfigError as e:
        inside = [name for name in names if name.startswith(f"{e.where}.")]
        said = [name for name in inside or names if name == e.where or _mentions(e.what, name)]
        line = _line_of(read_bytes(file).decode("utf-8-sig"), said[0]) if said else None
        what = f"{e.where}: {e.what}" if e.where and not e.what.startswith(e.where) else e.what
        raise ConfigError(what, where=place(str(file), line), next_step=e.next_step) from e


def _mentions(text: str, name: str) -> bool:
    """Whether the error is about this setting: its name, with or without its table's, stands in quotes or before =."""
    parts = name.split(".")
    forms = "|".join(re.escape(".".join(parts[i:])) for i in range(len(parts)))
    return re.search(rf"'(?:{forms})'|(?:^|; )(?:{forms})=", text) is not None


def _line_of(text: str, name: str) -> int | None:
    """The line of a setting, or of its table's heading."""
    *tables, key = name.split(".")
    table, heading, best = "", re.compile(r"\s*\[+\s*([^\]]+?)\s*\]"), None
    for number, line in enumerate(text.splitlines(), start=1):
        if found := heading.match(line):
            table = found[1].replace('"', "")
            best = number if table == name else best
        elif table == ".".join(tables) and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*=""", line):
            return number
        elif not table and re.match(rf"""\s*["']?{re.escape(name.split(".")[0])}["']?\s*[=.]""", line):
            best = best or number
    return best
