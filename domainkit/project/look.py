"""What is in a folder: files of rows, documents and prices. Nothing is changed, and a file that cannot be used is named
with the reason."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

from domainkit.corpus.kinds import holds_documents, kind_of
from domainkit.corpus.readers import READERS
from domainkit.corpus.rows import ROW_FORMATS
from domainkit.corpus.rows.columns import LOOKED_AT, fields_of, likely_columns
from domainkit.corpus.rows.examples import ExampleReader, wanted_names
from domainkit.corpus.rows.formats.arrow import is_saved
from domainkit.corpus.rows.formats.header import folded
from domainkit.corpus.rows.layouts import FIELDS
from domainkit.corpus.rows.open_questions import with_open_answers
from domainkit.corpus.rows.open_rows import open_rows
from domainkit.corpus.rows.source import RowSource
from domainkit.errors import ConfigError, DomainkitError, Problem
from domainkit.evaluation.kinds.label import LABELS_FILE
from domainkit.storage import parse_json, read_bytes, read_toml
from domainkit.verdict.costs.prices import PriceTable, read_prices
from domainkit.visible import visible

RUN_FILE = "run.toml"
Role = Literal["", "train", "dev", "test"]
ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "development", "valid", "validation", "val"), "dev"),
    **dict.fromkeys(("test", "tests", "testing", "eval", "evaluation", "heldout", "holdout"), "test"),
}
"""Words in a file's name that say which part of the rows it holds."""
NOT_READ = ("readme", "about", "license", "licence", "changelog")
"""Beginnings of the names of files about a folder, which are no part of its domain."""
CHOICES = frozenset(("question", "choices", "answer"))
"""Columns of general multiple-choice questions."""
MOST_FILES = 100_000
"""A folder with more files is not meant: a home folder, or a whole disk."""
_RECORDS = ("results.json", "variants.json", "card.json", "adapter_config.json", "pack.json", "project.json")
"""Files that domainkit, or PEFT, writes into a folder of its own."""
_ONLY_SHARD = re.compile(r"-0+-of-0*1$")
"""The end of the name of a file that the hub cuts into one part."""
_WORKING = ("replies.jsonl", "dropped.jsonl")
"""Files that `domainkit make` writes beside its rows."""


@dataclass(frozen=True)
class RowsFile:
    """A file of rows, or a folder that datasets saved."""

    path: str
    """Seen from the folder, with / between its parts."""
    rows: int
    """Rows that can be read."""
    state: Literal["solved", "open", "unclear", "unusable"]
    """solved: questions with answers; open: questions alone; unclear: the columns say nothing."""
    why: str
    """How the rows are read; of unusable ones, why not."""
    columns: tuple[str, ...] = ()
    likely: Mapping[str, str] = field(default_factory=dict)
    """Of unclear rows: the columns that may be the question and the answer."""

    @property
    def name_and_role(self) -> tuple[str, Role]:
        """The name without the word that says which part it is, and that part: answers_train.csv is (answers, train),
        and so is answers/train/rows.csv."""
        *folders, name = self.path.split("/")
        parts = [*folders, _ONLY_SHARD.sub("", name.partition(".")[0])]
        for i in reversed(range(len(parts))):
            words = re.split(r"[-_. ]+", parts[i])
            at = next((i for i in reversed(range(len(words))) if words[i].casefold() in ROLES), None)
            if at is not None:
                rest = "_".join(words[:at] + words[at + 1 :])
                return "/".join(filter(None, [*parts[:i], rest, *parts[i + 1 :]])), ROLES[words[at].casefold()]
        return "/".join(parts), ""


@dataclass(frozen=True)
class Found:
    """Everything in the folder."""

    folder: Path
    rows: tuple[RowsFile, ...] = ()
    documents: tuple[str, ...] = ()
    """Files of documents."""
    prices: tuple[str, ...] = ()
    """Price tables."""
    tools: tuple[str, ...] = ()
    """JSON lists of tools."""
    left_out: tuple[tuple[str, str], ...] = ()
    """(file or folder, why it is not used)."""


def look(folder: Path) -> Found:
    """Look at every file under `folder`. Hidden ones, and folders that domainkit wrote, are left out.

    Raises ConfigError where there is no such folder, or it holds too many files to be meant.
    """
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "there is no such folder"
        step = "name the folder that it lies in" if folder.exists() else "make it, and put your files into it"
        raise ConfigError(what, where=str(folder), next_step=step)
    rows: list[RowsFile] = []
    lists: dict[str, list[str]] = {"documents": [], "prices": [], "tools": []}
    left_out: list[tuple[str, str]] = []
    for path in _files(folder, left_out):
        name = path.relative_to(folder).as_posix()
        found = _kind_of_file(path, name)
        if isinstance(found, RowsFile):
            rows.append(found)
        elif found in lists:
            lists[found].append(name)
        elif found:
            left_out.append((name, found))
    return Found(folder, tuple(rows), **{k: tuple(v) for k, v in lists.items()}, left_out=tuple(left_out))


def _files(folder: Path, left_out: list[tuple[str, str]]) -> Iterator[Path]:
    """Files, and folders that datasets saved, in order of their names."""
    count = 0
    for parent, folders, names in os.walk(folder):
        here = Path(parent)
        for name in sorted(f for f in folders if not f.startswith(".")):
            place = here / name
            why = "a link to a folder is not followed" if place.is_symlink() else _written_by_us(place)
            if why:
                left_out.append((place.relative_to(folder).as_posix(), why))
            elif is_saved(place):
                yield from _saved_parts(place)
            else:
                continue
            folders.remove(name)
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        count += len(names)
        if count > MOST_FILES:
            what = f"holds more than {MOST_FILES:,} files"
            raise ConfigError(what, where=str(folder), next_step="make a folder with the files of one domain alone")
        yield from (here / name for name in sorted(names) if not name.startswith("."))


def _written_by_us(folder: Path) -> str:
    if any((folder / name).is_file() for name in _RECORDS):
        return "holds a run, an adapter or a pack"
    return ""


def _saved_parts(folder: Path) -> Iterator[Path]:
    """The folder itself, or those of its splits."""
    parts = sorted(p for p in folder.iterdir() if p.is_dir() and is_saved(p))
    yield from parts or [folder]


def _kind_of_file(path: Path, name: str) -> RowsFile | str:
    """The rows; else "documents", "prices" or "tools"; else why the file is not used; "" for what needs no word."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return look_at_rows(path, name)
    if name in (RUN_FILE, f"{RUN_FILE}.old") or path.name == LABELS_FILE:
        return ""
    if path.name != visible(path.name):
        return "has a character in its name that cannot be seen, or is not UTF-8"
    if path.is_symlink() and not path.exists():
        return "is a link that leads nowhere"
    if path.name in _WORKING and (path.parent / "make.json").is_file():
        return "was written by domainkit make beside its rows"
    if path.stem.lower().startswith(NOT_READ) and suffix in ("", ".md", ".txt", ".rst"):
        return "is taken for a note about the folder, not for a document of the domain"
    if suffix == ".toml":
        return _kind_of_toml(path)
    if suffix == ".json" and (found := _kind_of_json(path)):
        return found
    if suffix in ROW_FORMATS:
        return _rows_or_documents(path, name)
    return "documents" if suffix in READERS else "has a format that is not read"


def _kind_of_toml(path: Path) -> str:
    try:
        if not read_toml(path).keys() & PriceTable.model_fields.keys():
            return "is neither run.toml nor a price table"
        read_prices(path)
    except DomainkitError as e:
        return e.what
    return "prices"


def _kind_of_json(path: Path) -> str:
    """What a JSON file is that holds no rows; "" where rows may be in it."""
    try:
        value = parse_json(read_bytes(path))
    except (OSError, ValueError):
        return ""  # the reader of rows says what is wrong with it
    if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
        return "is a list of texts: as labels.json beside the rows it names their labels"
    if isinstance(value, list) and value and all(isinstance(v, dict) and _is_tool(v) for v in value):
        return "tools"
    if isinstance(value, dict) and not any(isinstance(v, list) for v in value.values()):
        return "is one JSON object, not rows"
    return ""


def _is_tool(value: dict[str, object]) -> bool:
    tool = value.get("function", value)
    return isinstance(tool, dict) and "name" in tool and ("parameters" in tool or "description" in tool)


# ---- rows ------------------------------------------------------------------------------------------------------------


def _rows_or_documents(path: Path, name: str) -> RowsFile | str:
    """A workbook whose columns say nothing may hold either: it is taken for unclear rows where it has two columns of
    words. One with several sheets is a document among documents, in a folder of its own."""
    source = open_rows(path, wanted_names(None))
    if path.suffix.lower() == ".jsonl" and holds_documents(path, source, None):
        return "documents"
    found = look_at_rows(path, name)
    beside = "/" not in name and any(p.severity == "error" for p in source.problems)
    if found.state == "unusable" and not beside and holds_documents(path, source, None):
        return "documents"
    return found


def look_at_rows(path: Path, name: str, columns: Mapping[str, str] | None = None) -> RowsFile:
    """The rows of a file, read once from beginning to end with the columns as they are named."""
    source = open_rows(path, wanted_names(columns))
    first = [item[1] for item in islice(source.stream(), LOOKED_AT) if not isinstance(item, Problem)]
    names = tuple(fields_of(source))
    if errors := [p for p in source.problems if p.severity == "error"]:
        return RowsFile(name, 0, "unusable", f"{errors[0].what} ({errors[0].next_step})", names)
    if not first:
        return RowsFile(name, 0, "unusable", "holds no rows", names)
    if CHOICES.issubset(map(folded, names)):
        what = "holds multiple-choice questions: as general = FILE in run.toml they measure what an adapter forgot"
        return RowsFile(name, 0, "unusable", what, names)
    if (kind := kind_of(source, columns)) != "examples":
        return RowsFile(name, 0, "unusable", f"holds {kind}, which domainkit prefer trains on", names)
    return _read(path, name, source, columns, names, first)


def _read(
    path: Path,
    name: str,
    source: RowSource,
    columns: Mapping[str, str] | None,
    names: tuple[str, ...],
    first: list[dict[str, object]],
) -> RowsFile:
    solved, problem, reader = _count(path, source, columns)
    if solved:
        form = f"{source.format} ({', '.join(source.facts)})" if source.facts else source.format
        layouts = ", ".join(reader.layout.layouts) or "rows"
        called = ", ".join(f"'{column}' is {ours}" for column, ours in reader.layout.names.items())
        return RowsFile(name, solved, "solved", f"{form}; {layouts}" + (f"; {called}" if called else ""), names)
    if columns:
        return RowsFile(name, 0, "unusable", problem, names)
    questions, _, _ = _count(path, with_open_answers(source, {}), None)
    if questions:
        return RowsFile(name, questions, "open", "questions without answers", names)
    likely = likely_columns(names, first)
    if len(names) > 1 and len(likely) > 1 and not FIELDS.issuperset(names):
        count = sum(not isinstance(item, Problem) for item in source.stream())
        return RowsFile(name, count, "unclear", f"columns: {', '.join(names)}", names, likely)
    return RowsFile(name, 0, "unusable", problem, names)


def _count(path: Path, source: RowSource, columns: Mapping[str, str] | None) -> tuple[int, str, ExampleReader]:
    """(rows that can be read, the first problem, the reader)."""
    reader = ExampleReader(path, columns, source)
    count, problem = 0, "holds no rows"
    for item in reader:
        if not isinstance(item, Problem):
            count += 1
        elif item.severity == "error" and problem == "holds no rows":
            problem = item.what
    return count, problem, reader
