"""The tasks of a folder: which files of rows belong together, and which folder or files hold the documents."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from domainkit.project.look import Found, Role, RowsFile


@dataclass(frozen=True)
class FolderTask:
    """Files of rows whose names differ only in the part that they hold."""

    name: str
    """"" for train.csv and test.csv."""
    whole: RowsFile | None = None
    """Rows that nobody has divided."""
    more: tuple[RowsFile, ...] = ()
    """Further rows that nobody has divided, with the same columns."""
    train: RowsFile | None = None
    dev: RowsFile | None = None
    test: RowsFile | None = None

    @property
    def files(self) -> list[RowsFile]:
        return [f for f in (self.whole, *self.more, self.train, self.dev, self.test) if f]

    @property
    def state(self) -> str:
        """That of its worst file."""
        states = [f.state for f in self.files]
        return next((s for s in ("open", "unclear") if s in states), "solved")

    @property
    def rows(self) -> int:
        return sum(f.rows for f in self.files)

    def __str__(self) -> str:
        return ", ".join(f"{f.path} ({f.rows:,} rows)" for f in self.files)


def tasks_of(found: Found) -> tuple[list[FolderTask], list[tuple[str, str]]]:
    """The tasks, the likeliest first, and the files that are in none, with the reason.

    The likeliest has questions with answers, then a training part and a test part, then the most rows.
    """
    left_out = [(f.path, f.why) for f in found.rows if f.state == "unusable"]
    groups: dict[str, dict[Role, list[RowsFile]]] = defaultdict(lambda: defaultdict(list))
    for file in found.rows:
        if file.state != "unusable":
            name, role = file.name_and_role
            groups[name][role].append(file)
    tasks = []
    for name, by_role in groups.items():
        for role, files in by_role.items():
            files.sort(key=lambda f: -f.rows)
            left_out += [(f.path, f"is of the same name as {files[0].path}, which has more rows") for f in files[1:]]
            by_role[role] = files[:1]
        tasks += _tasks(name, {role: files[0] for role, files in by_role.items()})
    tasks += _together(tasks)
    tasks.sort(key=lambda t: (("solved", "unclear", "open").index(t.state), not (t.train and t.test), -t.rows, t.name))
    return tasks, left_out


def _tasks(name: str, files: dict[Role, RowsFile]) -> list[FolderTask]:
    """A file beside its own parts is a task of its own: tickets.csv beside tickets_train.csv."""
    whole, parts = files.get(""), {role: f for role, f in files.items() if role}
    if parts.keys() == {"train"}:  # nothing to test on: it is divided
        parts, whole_part = {}, files["train"]
        tasks = [FolderTask(name, whole=whole_part)]
    else:
        tasks = [FolderTask(name, train=parts.get("train"), dev=parts.get("dev"), test=parts.get("test"))]
    if not parts and "train" not in files:
        tasks = []
    return [*tasks, *([FolderTask(name, whole=whole)] if whole else [])]


def _together(tasks: Sequence[FolderTask]) -> list[FolderTask]:
    """Files whose names differ in numbers alone and that have the same columns: tickets-2024.csv, tickets-2025.csv."""
    alike: dict[tuple[str, frozenset[str], str], list[RowsFile]] = defaultdict(list)
    for task in tasks:
        if task.whole is not None and task.whole.columns:
            name = re.sub(r"\d+", "#", task.name)
            alike[name, frozenset(task.whole.columns), task.whole.state].append(task.whole)
    made = []
    for (name, *_), files in alike.items():
        if len(files) > 1:
            first, *more = sorted(files, key=lambda f: f.path)
            made.append(FolderTask(name.strip("#-_. "), whole=first, more=tuple(more)))
    return made


def corpus_of(found: Found) -> list[str]:
    """Folders, patterns and files that hold the documents and nothing else, as run.toml names them.

    A folder is named where no file of rows lies in it, since rows in it would be searched as documents; documents
    beside rows are named by a pattern such as *.pdf where they are all the files that it means.
    """
    rows = [PurePosixPath(f.path) for f in found.rows]
    others = [PurePosixPath(name) for name, _ in found.left_out]
    tops: dict[str, list[PurePosixPath]] = defaultdict(list)
    for document in map(PurePosixPath, found.documents):
        tops[document.parts[0] if len(document.parts) > 1 else ""].append(document)
    named: list[str] = []
    for top, documents in sorted(tops.items()):
        if top and not any(path.parts[0] == top for path in rows):
            named.append(top)
        else:
            named += _patterns(documents, [*rows, *others])
    return named


def _patterns(documents: Sequence[PurePosixPath], others: Sequence[PurePosixPath]) -> list[str]:
    by_place: dict[tuple[PurePosixPath, str], list[PurePosixPath]] = defaultdict(list)
    for path in documents:
        by_place[path.parent, path.suffix].append(path)
    named: list[str] = []
    for (parent, suffix), paths in sorted(by_place.items()):
        alone = not any(o.parent == parent and o.suffix == suffix for o in others)
        if len(paths) > 1 and alone and not set("*?[") & set(str(parent)):
            named.append((parent / f"*{suffix}").as_posix())
        else:
            named += [p.as_posix() for p in paths]
    return named
