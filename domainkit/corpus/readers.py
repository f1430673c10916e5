"""Document files and folders of them. A reader turns one file into documents; `READERS` has one line per format."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from domainkit.corpus.document import Document
from domainkit.corpus.rows import absent, kind, place, scan_rows, scan_text
from domainkit.errors import DataError, DomainkitError, Problem
from domainkit.registry import Table

Reader = Callable[[Path, str], Iterator[Document]]
"""(file, name) to its documents; `name` is the id of a file that is one document and the start of others' ids.
Raises DataError for what it cannot read."""

READERS = Table(
    "document format",
    {
        ".jsonl": "domainkit.corpus.readers:read_jsonl",
        ".md": "domainkit.corpus.readers:read_markdown",
        ".txt": "domainkit.corpus.readers:read_plain",
    },
    group="domainkit.readers",
)

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r" {0,3}#[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")


def read_plain(path: Path, name: str) -> Iterator[Document]:
    """One document; no title."""
    text = _text(path).strip()
    if text:
        yield Document(text=text, source=str(path), id=name)


def read_markdown(path: Path, name: str) -> Iterator[Document]:
    """One document without its front matter; the first `# ` heading outside code is the title and leaves the text."""
    title, text = _split_title(_FRONT_MATTER.sub("", _text(path), count=1))
    if text or title:
        yield Document(text=text or title, source=str(path), id=name, title=title)


def read_jsonl(path: Path, name: str) -> Iterator[Document]:
    """One document per row {"text", "title"?, "id"?}; other fields become `meta`. A row without id is `name:line`."""
    rows, problems = scan_rows(path)
    documents: list[Document] = []
    for line, row in rows:
        fault = _row_fault(row)
        if fault:
            problems.append(Problem(str(path), line, *fault))
            continue
        meta = {k: v for k, v in row.items() if k not in ("id", "title", "text")}
        own_id = row.get("id")
        doc_id = f"{name}:{line}" if own_id is None else str(own_id)
        title = row.get("title") or ""
        documents.append(Document(text=row["text"], source=f"{path}:{line}", id=doc_id, title=title, meta=meta))
    if problems:
        raise DataError(sorted(problems, key=lambda p: p.line or 0))
    yield from documents


def scan_documents(path: Path) -> tuple[list[Document], list[Problem]]:
    """Every document under `path` and every fault; ids are unique. What a folder's walk leaves out is a warning."""
    if not path.exists():
        return [], [absent(path)]
    if path.is_dir():
        files, problems = _walk(path)
    elif path.suffix.lower() in READERS:
        files, problems = [path], []
    else:
        what = f"the format '{path.suffix}' is not read" if path.suffix else "has no suffix to tell its format"
        return [], [Problem(str(path), None, what, f"convert it to one of: {', '.join(sorted(READERS))}")]
    documents: list[Document] = []
    for file, name in zip(files, _names(files, path if path.is_dir() else path.parent), strict=True):
        found, faults = _read(file, name)
        documents += found
        problems += faults
    if not documents and not any(p.severity == "error" for p in problems):
        problems.append(Problem(str(path), None, "holds no documents", f"add text files: {', '.join(sorted(READERS))}"))
    return _unique(documents, problems)


def _read(file: Path, name: str) -> tuple[list[Document], list[Problem]]:
    try:
        documents = list(READERS.load(file.suffix.lower())(file, name))
    except DataError as e:
        return [], list(e.problems)
    except DomainkitError as e:
        return [], [Problem(str(file), None, e.what, e.next_step)]
    if not documents:
        return [], [Problem(str(file), None, "is empty and left out", "delete it, or fill it in", severity="warning")]
    return documents, []


def _walk(folder: Path) -> tuple[list[Path], list[Problem]]:
    """The readable files under `folder` by relative name, and a warning for whatever else is not hidden."""
    files: list[Path] = []
    problems: list[Problem] = []
    unread: Counter[str] = Counter()

    def denied(e: OSError) -> None:
        what = f"cannot be read: {(e.strerror or str(e)).lower()}"
        problems.append(Problem(str(e.filename), None, what, "check the folder's permissions"))

    for parent, folders, names in os.walk(folder, onerror=denied):
        linked = [f for f in folders if not f.startswith(".") and (Path(parent) / f).is_symlink()]
        problems += [_left_out(Path(parent) / f, "is a link to a folder and not followed") for f in linked]
        folders[:] = [f for f in folders if not f.startswith(".")]
        for name in names:
            file = Path(parent) / name
            if name.startswith("."):
                continue
            if file.suffix.lower() not in READERS:
                unread[file.suffix.lower()] += 1
            elif file.is_symlink() and not _stays_inside(file, folder):
                problems.append(_left_out(file, "is a link that leaves the folder or leads nowhere"))
            else:
                files.append(file)
    for suffix, count in sorted(unread.items()):
        what = (
            f"{count} file{'s' if count > 1 else ''} {f'of format {suffix}' if suffix else 'without suffix'} left out"
        )
        problems.append(_left_out(folder, what, f"convert to one of: {', '.join(sorted(READERS))}"))
    return sorted(files, key=lambda f: f.relative_to(folder).parts), problems


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
    shared = Counter(stems)
    return [f.relative_to(folder).as_posix() if shared[s] > 1 else s for f, s in zip(files, stems, strict=True)]


def _unique(documents: list[Document], problems: list[Problem]) -> tuple[list[Document], list[Problem]]:
    first: dict[str, str] = {}
    for document in documents:
        if document.id in first:
            path, line = place(document.source)
            what = f"the id '{document.id}' is already that of {first[document.id]}"
            problems.append(Problem(path, line, what, "give each document an id of its own"))
        first.setdefault(document.id, document.source)
    return [d for d in documents if first[d.id] == d.source], problems


def _text(path: Path) -> str:
    text, problems = scan_text(path)
    if problems:
        raise DataError(problems)
    return text


def _split_title(text: str) -> tuple[str, str]:
    lines = text.split("\n")
    fence = ""
    for i, line in enumerate(lines):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = ""
        elif not fence and (heading := _TITLE.fullmatch(line)):
            return heading[1].strip(), "\n".join(lines[:i] + lines[i + 1 :]).strip()
    return "", text.strip()


def _row_fault(row: dict[str, Any]) -> tuple[str, str] | None:
    """What is wrong with a document's row and its cure, or None."""
    if "text" not in row:
        other = next((f for f in ("Text", "content", "contents", "body", "passage", "page_content") if f in row), None)
        fields = ", ".join(f"'{f}'" for f in row) or "none"
        cure = f"rename '{other}' to 'text'" if other else 'a document is {"id": ..., "title": ..., "text": ...}'
        return f"missing field 'text' (found: {fields})", cure
    for field in ("text", "title"):
        value = row.get(field)
        if not isinstance(value, str) and not (field == "title" and value is None):
            return f"'{field}' is {kind(value)}, not text", "write it as a string"
    if not row["text"].strip():
        return "'text' is empty", "fill it in, or delete the row"
    own_id = row.get("id")
    if own_id is not None and (isinstance(own_id, bool) or not isinstance(own_id, str | int) or own_id == ""):
        return (
            "'id' is empty" if own_id == "" else f"'id' is {kind(own_id)}, not text",
            "write a string, or leave it out",
        )
    return None
