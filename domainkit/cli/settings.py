"""Run files and key=value settings, the same for every command that has them."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from domainkit.errors import ConfigError
from domainkit.messages import JsonObject
from domainkit.registry import suggestion
from domainkit.storage import read_toml


def read_settings(arguments: Sequence[str], flags: Mapping[str, object]) -> JsonObject:
    """Values of at most one run.toml, then of `key=value` words, then of the flags that are not None. The later
    wins."""
    values: JsonObject = {}
    files = [a for a in arguments if "=" not in a]
    if len(files) > 1:
        raise ConfigError(
            f"more than one run file: {', '.join(files)}", next_step="give one, and key=value for the rest"
        )
    if files:
        values |= read_run_file(Path(files[0]))
    for word in arguments:
        if "=" in word:
            key, _, text = word.partition("=")
            values[key.strip().replace("-", "_")] = parse_value(text)
    return values | {k: v for k, v in flags.items() if v is not None}


def read_run_file(path: Path) -> JsonObject:
    """A TOML run file's values. Raises ConfigError naming the file and TOML's own line and column."""
    if path.suffix != ".toml":
        raise ConfigError(
            f"'{path}' is neither a .toml run file nor key=value",
            next_step="write settings as key=value, e.g. epochs=3, or give a file that ends in .toml",
        )
    return read_toml(path)


def parse_value(text: str) -> object:
    """A TOML value where `text` is one (3, 1e-4, true, [..]), else the text itself."""
    try:
        values = tomllib.loads(f"v = {text}")
    except (ValueError, RecursionError):
        return text
    # A second line, or a comment, would be lost: such a text is meant as text.
    return values["v"] if set(values) == {"v"} and ("#" in str(values["v"]) or "#" not in text) else text


def take_own_options(values: JsonObject, names: Collection[str], fields: Collection[str]) -> JsonObject:
    """Remove and return the command's options `names`. The rest must be `fields` of its config, dotted keys by their
    first part.

    Raises ConfigError with the nearest name for an unknown option.
    """
    for key in values:
        head = key.partition(".")[0]
        if key not in names and head not in fields:
            raise ConfigError(f"unknown option '{key}'", next_step=suggestion(head, [*names, *fields]))
    return {k: values.pop(k) for k in list(values) if k in names}


def as_path(option: str, value: object) -> Path:
    """A path of a flag or of a run file. Raises ConfigError for a value that is not text."""
    if not isinstance(value, str | Path) or not value:
        raise ConfigError(f"{value!r} is not a path", where=option, next_step="write a path as text, in quotes")
    return Path(value)


def require(options: Mapping[str, object], *names: str) -> None:
    """Raise ConfigError that names every option of `names` that is missing."""
    missing = [n for n in names if not options.get(n)]
    if missing:
        raise ConfigError(
            f"missing: {', '.join('--' + n for n in missing)}",
            next_step="give it as an option, or in the run file",
        )


def split_names(option: str, value: object) -> list[str] | None:
    """Comma-separated names as a list; a run file's list unchanged. Raises ConfigError for anything else, and for an
    empty list."""
    if value is None:
        return None
    names = [n.strip() for n in value.split(",") if n.strip()] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise ConfigError(
            f"{value!r} is not a list of names",
            where=option,
            next_step="write names with commas between, or leave it out",
        )
    return names
