"""Document files, and folders of them: which files are read, and the ids of their documents."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from domainkit.corpus.document import Document
from domainkit.corpus.readers import PLAIN, READERS, formats, is_sandboxed
from domainkit.corpus.reading import collecting_warnings
from domainkit.corpus.sandbox.process import SandboxedReader
from domainkit.corpus.text_files import missing_path, unreadable
from domainkit.errors import DataError, DomainkitError, Problem


def scan_documents(path: Path) -> tuple[list[Document], list[Problem]]:
    """Every document under `path` and every problem; ids are unique. A file of a folder that is not read is a
    warning."""
    files, problems = list_files(path)
    if files is None:
        return [], problems
    documents: list[Document] = []
    with SandboxedReader() as sandbox:
        for file, name in files:
            file_documents, file_problems = read_file(file, name, sandbox)
            documents += file_documents
            problems += as_warnings(file_problems, file) if path.is_dir() else file_problems
    if not documents and not any(p.severity == "error" for p in problems):
        problems.append(Problem(str(path), None, "holds no documents", f"add files to read: {formats()}"))
    return _without_repeated_ids(documents, problems)


def list_files(path: Path, only: Sequence[str] | None = None) -> tuple[list[tuple[Path, str]] | None, list[Problem]]:
    """(file, name of its document) for each file under `path` that can be read, and the problems of others; None where
    `path` cannot be read at all. `only` names files, folders and patterns in the folder `path`: no others are read."""
    if only is not None:
        return _list_named(path, only)
    if not os.path.exists(path):  # Path.exists raises for a name that is too long
        return None, [missing_path(path)]
    if path.is_dir():
        files, problems = _walk(path)
        return list(zip(files, _names(files, path), strict=True)), problems
    if path.suffix.lower() in READERS:
        return list(zip([path], _names([path], path.parent), strict=True)), []
    what = f"the format '{path.suffix}' is not read" if path.suffix else "has no suffix that names its format"
    return None, [Problem(str(path), None, what, f"convert it to one of: {formats()}")]


def _list_named(folder: Path, only: Sequence[str]) -> tuple[list[tuple[Path, str]] | None, list[Problem]]:
    files: dict[Path, None] = {}
    problems: list[Problem] = []
    for name in only:
        if not Path(os.path.normpath(folder / name)).is_relative_to(os.path.normpath(folder)):
            what = f"is not in the folder {folder}"
            return None, [Problem(name, None, what, "copy it into the folder, or name it alone")]
        given = [folder / name] if os.path.lexists(folder / name) else _matching(folder, name)
        if not given:
            return None, [missing_path(folder / name)]
        for path in given:
            found, more = list_files(path)
            if found is None:
                return None, more
            problems += more
            files |= dict.fromkeys(file for file, _ in found)
    return list(zip(files, _names(list(files), folder), strict=True)), problems


def _matching(folder: Path, pattern: str) -> list[Path]:
    """The files that a pattern such as *.pdf means, but hidden ones."""
    try:
        return sorted(p for p in folder.glob(pattern) if not p.name.startswith("."))
    except (ValueError, NotImplementedError):  # an empty pattern, or one from the root
        return []


def read_file(file: Path, name: str, sandbox: SandboxedReader) -> tuple[list[Document], list[Problem]]:
    """A file's documents, and its problems; formats that a library parses are read in the sandbox."""
    suffix = file.suffix.lower()
    if is_sandboxed(suffix):
        problem = unreadable(file)
        documents, problems = ([], [problem]) if problem else sandbox.read(file, name, suffix)
    else:
        documents, problems = _read_here(file, name, suffix)
    if not documents and not problems:
        what = "is empty and left out" if suffix in PLAIN else "holds no text and is left out"
        problems = [Problem(str(file), None, what, "delete it, or fill it in", severity="warning")]
    return documents, problems


def as_warnings(problems: list[Problem], file: Path) -> list[Problem]:
    """A file of a folder that a library cannot parse is a warning: the others are read."""
    return [replace(p, severity="warning") for p in problems] if is_sandboxed(file.suffix.lower()) else problems


def _read_here(file: Path, name: str, suffix: str) -> tuple[list[Document], list[Problem]]:
    try:
        with collecting_warnings() as warnings:
            return list(READERS.load(suffix)(file, name)), warnings
    except DataError as e:
        return [], list(e.problems)
    except DomainkitError as e:
        return [], [Problem(str(file), None, e.what, e.next_step)]


def _walk(folder: Path) -> tuple[list[Path], list[Problem]]:
    """The readable files under `folder` by relative name, and a warning for each other one that is not hidden."""
    files: list[Path] = []
    problems: list[Problem] = []
    other_formats: Counter[str] = Counter()

    def report_unreadable(e: OSError) -> None:
        what = f"cannot be read: {(e.strerror or str(e)).lower()}"
        problems.append(Problem(str(e.filename), None, what, "check the folder's permissions"))

    for parent, folders, names in os.walk(folder, onerror=report_unreadable):
        folders[:] = [f for f in folders if not f.startswith(".")]
        links = [Path(parent) / f for f in folders if (Path(parent) / f).is_symlink()]
        problems += [_left_out(link, "is a link to a folder and not followed") for link in links]
        for file in (Path(parent) / name for name in names if not name.startswith(".")):
            if file.suffix.lower() not in READERS:
                other_formats[file.suffix.lower()] += 1
            elif file.is_symlink() and not _stays_inside(file, folder):
                problems.append(_left_out(file, "is a link that leaves the folder or leads nowhere"))
            else:
                files.append(file)
    problems += [_other_format(folder, suffix, count) for suffix, count in sorted(other_formats.items())]
    return sorted(files, key=lambda f: f.relative_to(folder).parts), problems


def _other_format(folder: Path, suffix: str, count: int) -> Problem:
    files = f"{count} file{'s' if count > 1 else ''}"
    what = f"{files} of format {suffix} left out" if suffix else f"{files} without suffix left out"
    return _left_out(folder, what, f"convert to one of: {formats()}")


def _left_out(path: Path, what: str, next_step: str = "copy what you want read into the folder") -> Problem:
    return Problem(str(path), None, what, next_step, severity="warning")


def _stays_inside(link: Path, folder: Path) -> bool:
    """Untrusted folders may link to files elsewhere on this machine, which must not become documents."""
    try:
        return link.resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return False


def _names(files: list[Path], folder: Path) -> list[str]:
    """Relative paths without suffix; files that would share one keep their suffix."""
    stems = [f.relative_to(folder).with_suffix("").as_posix() for f in files]
    counts = Counter(stems)
    return [f.relative_to(folder).as_posix() if counts[s] > 1 else s for f, s in zip(files, stems, strict=True)]


def _without_repeated_ids(documents: list[Document], problems: list[Problem]) -> tuple[list[Document], list[Problem]]:
    first: dict[str, Document] = {}
    for document in documents:
        earlier = first.setdefault(document.id, document)
        if earlier is not document:
            what = f"the id '{document.id}' is already that of {earlier.source}"
            problems.append(document.problem(what, "give each document an id of its own"))
    return list(first.values()), problems
