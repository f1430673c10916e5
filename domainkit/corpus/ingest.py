"""Ingest: a folder of files becomes one JSON Lines file of documents, and is kept up to date.

Beside `corpus.jsonl` stands the record `.corpus.jsonl.files`: each file with the hash of its content, and where its
rows are. A run appends what it has read to the journal `.corpus.jsonl.part`, so that the next one continues.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import local
from typing import Any, BinaryIO, TypeVar

from domainkit import progress
from domainkit.corpus.chunk import count_words
from domainkit.corpus.document import Document
from domainkit.corpus.document_files import as_warnings, list_files, read_file
from domainkit.corpus.readers import formats
from domainkit.corpus.sandbox.process import SandboxedReader
from domainkit.errors import ConfigError, DataError, Problem, saving
from domainkit.storage import JsonObject, check_writable, sha256_file

FORMAT = "domainkit.ingest/1"
"""Changes whenever a reader makes another text of the same file."""
OnProgress = Callable[[str, int, int], None]
T = TypeVar("T")
_NOT_READ = "scanned and not read"  # of pages: with tesseract installed the next run reads them


@dataclass
class FileRecord:
    """One file, and what came of it."""

    name: str
    """Of its documents: the id of a file that is one document."""
    sha256: str
    documents: int = 0
    pages: int = 0
    words: int = 0
    problems: list[list[Any]] = field(default_factory=list)
    """Fields of each Problem, in order."""
    start: int = 0
    """First byte of its rows in the corpus."""
    end: int = 0

    @property
    def is_done(self) -> bool:
        """Whether its text is all there: reading it again would give the same."""
        return self.documents > 0 and not any(_NOT_READ in problem[2] for problem in self.problems)


@dataclass(frozen=True)
class IngestSummary:
    """What a run found and wrote."""

    out: Path
    documents: int
    pages: int
    words: int
    files: int
    """In the corpus."""
    new: int
    changed: int
    unchanged: int
    deleted: int
    problems: tuple[Problem, ...]
    left_out: int
    """Files that gave no document."""

    @property
    def warnings_by_kind(self) -> Counter[str]:
        """How often each kind of warning occurs: numbers and names are left out of it."""
        return Counter(kind_of(p.what) for p in self.problems if p.severity == "warning")


def kind_of(what: str) -> str:
    """A problem without what differs from file to file."""
    numbers = r"\d+(?:[.,]\d+)*(?:,? (?:and )?\d+(?: more)?)*"
    return re.sub(r"'[^']*'", "'…'", re.sub(numbers, "#", what)).partition(": ")[0]


def ingest(
    source: str | Path,
    out: str | Path,
    *,
    only: Sequence[str] | None = None,
    workers: int | None = None,
    on_progress: OnProgress | None = None,
) -> IngestSummary:
    """Read the documents of a file or folder in `workers` processes, and write them to the JSON Lines file `out`.

    `read_documents(out)` gives the same documents: id, title, text, marks and meta. A file whose content is as it was
    in the last run is not read again; of a deleted file the documents go. `out` is replaced at the end, at once.
    `only` names files, folders and patterns (*.pdf) in the folder `source`: no others are read.
    Raises DataError where there is nothing to read; files that cannot be read are problems of the summary.
    """
    source, out = Path(source), Path(out)
    files, problems = list_files(source, only)
    if files is None:
        raise DataError(problems)
    check_writable(out)
    files = [(file, name) for file, name in files if file.resolve() != out.resolve()]
    run = _Run(out)
    with saving(out), run.journal_open():
        known = run.known()
        for number, (record, rows) in enumerate(_read_all(files, known, workers), start=1):
            if rows is not None:
                run.append(record, rows)
            (on_progress or progress.report)("files", number, len(files))
        return run.finish(source, files, problems)


class _Run:
    """The three files of a corpus, and the records of this run."""

    def __init__(self, out: Path) -> None:
        self.out = Path(os.path.realpath(out))
        self.record_file = self.out.with_name(f".{self.out.name}.files")
        self.journal_file = self.out.with_name(f".{self.out.name}.part")
        self.before: dict[str, FileRecord] = {}
        """Files of the last corpus, by name."""
        self.in_journal: dict[str, FileRecord] = {}
        self._journal: BinaryIO = io.BytesIO()

    def known(self) -> dict[str, FileRecord]:
        """Files that need not be read again if their content is the same."""
        self.before = self._read_record()
        self.in_journal = self._read_journal()
        return {**self.before, **self.in_journal}

    @contextmanager
    def journal_open(self) -> Iterator[None]:
        """Raises ConfigError where another run has it open."""
        self.journal_file.parent.mkdir(parents=True, exist_ok=True)
        with self.journal_file.open("a+b") as self._journal:
            _lock(self._journal, self.out)
            yield

    def append(self, record: FileRecord, rows: bytes) -> None:
        """Add a file to the journal: its record on a line, then its rows."""
        line = json.dumps({**asdict(record), "bytes": len(rows)}, ensure_ascii=False).encode() + b"\n"
        record.start = self._journal.tell() + len(line)
        record.end = record.start + len(rows)
        self._journal.write(line + rows)
        self._journal.flush()
        self.in_journal[record.name] = record

    def finish(self, source: Path, files: list[tuple[Path, str]], problems: list[Problem]) -> IngestSummary:
        """Write corpus and record, remove the journal, and count."""
        names = [name for _, name in files]
        records = [self.in_journal.get(name) or self.before[name] for name in names]
        problems = [*problems, *(Problem(*p) for record in records for p in record.problems)]
        if not any(record.documents for record in records):
            errors = [p for p in problems if p.severity == "error"]
            nothing = Problem(str(source), None, "holds no documents", f"add files to read: {formats()}")
            raise DataError([*errors, nothing] if errors else [nothing, *problems])
        changes = Counter(self._change(record) for record in records)
        deleted = len(set(self.before) - set(names))
        with saving(self.out):
            problems += self._write(records)
        return IngestSummary(
            out=self.out,
            documents=sum(r.documents for r in records),
            pages=sum(r.pages for r in records),
            words=sum(r.words for r in records),
            files=sum(r.documents > 0 for r in records),
            new=changes["new"],
            changed=changes["changed"],
            unchanged=changes["unchanged"],
            deleted=deleted,
            problems=tuple(problems),
            left_out=sum(r.documents == 0 for r in records),
        )

    def _change(self, record: FileRecord) -> str:
        before = self.before.get(record.name)
        return "new" if before is None else "unchanged" if before.sha256 == record.sha256 else "changed"

    def _write(self, records: list[FileRecord]) -> list[Problem]:
        """Write the rows of all files in order; returns the problems of ids that come twice."""
        problems: list[Problem] = []
        seen: dict[str, str] = {}
        written: list[FileRecord] = []
        staged = self.out.with_name(f".{self.out.name}.new")
        with self.journal_file.open("rb") as journal, _opened(self.out) as corpus, staged.open("wb") as new:
            for record in records:
                rows = journal if record.name in self.in_journal else corpus
                start = new.tell()
                for line in _lines(rows, record):
                    document_id = json.loads(line)["id"]
                    first = seen.setdefault(document_id, record.name)
                    if first is not record.name:
                        what = f"the id '{document_id}' is already one of '{first}': left out"
                        problems.append(Problem(record.name, None, what, "give each document an id of its own"))
                        record.documents -= 1
                        continue
                    new.write(line)
                written.append(FileRecord(**{**asdict(record), "start": start, "end": new.tell()}))
            new.flush()
            os.fsync(new.fileno())
        digest = sha256_file(staged)
        with self.record_file.open("w", encoding="utf-8") as record_file:
            record_file.write(json.dumps({"format": FORMAT, "corpus": digest}) + "\n")
            record_file.writelines(json.dumps(asdict(r), ensure_ascii=False) + "\n" for r in written)
        os.replace(staged, self.out)
        self.journal_file.unlink(missing_ok=True)
        return problems

    def _read_record(self) -> dict[str, FileRecord]:
        """The files of the corpus; none where it was edited since, or made by other readers."""
        try:
            with self.record_file.open(encoding="utf-8") as lines:
                head = json.loads(next(lines))
                if head["format"] != FORMAT or head["corpus"] != sha256_file(self.out):
                    return {}
                records = [FileRecord(**json.loads(line)) for line in lines]
        except (OSError, ValueError, TypeError, KeyError, StopIteration):
            return {}
        return {record.name: record for record in records}

    def _read_journal(self) -> dict[str, FileRecord]:
        """The files that an interrupted run has read; what it was writing when it ended is cut off."""
        records: dict[str, FileRecord] = {}
        journal, whole = self._journal, 0
        size = os.fstat(journal.fileno()).st_size
        journal.seek(0)
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            if json.loads(journal.readline()).get("format") == FORMAT:
                whole = journal.tell()
            while whole and (line := journal.readline()):
                facts = json.loads(line)
                end = journal.tell() + facts.pop("bytes")
                if end > size:
                    break
                record = FileRecord(**{**facts, "start": journal.tell(), "end": end})
                records[record.name] = record
                whole = end
                journal.seek(end)
        journal.truncate(whole)
        journal.seek(whole)
        if not whole:
            journal.write(json.dumps({"format": FORMAT}).encode() + b"\n")
        return records


def _lock(file: BinaryIO, out: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        next_step = "wait for it to end, or choose another --out"
        raise ConfigError("another run is writing it", where=str(out), next_step=next_step) from None
    except OSError:  # a network drive without locks
        return


def _opened(path: Path) -> BinaryIO:
    """The file; empty where it is missing."""
    return path.open("rb") if path.exists() else io.BytesIO()


def _lines(file: BinaryIO, record: FileRecord) -> Iterator[bytes]:
    file.seek(record.start)
    while file.tell() < record.end:
        yield file.readline()


def _read_all(
    files: list[tuple[Path, str]], known: dict[str, FileRecord], workers: int | None
) -> Iterator[tuple[FileRecord, bytes | None]]:
    """(record, rows) of each file as it is done; rows None where what is known still holds."""
    workers = workers or min(4, os.cpu_count() or 1)
    own, readers = local(), list[SandboxedReader]()

    def work(file: Path, name: str) -> tuple[FileRecord, bytes | None]:
        if not hasattr(own, "reader"):
            own.reader = SandboxedReader()
            readers.append(own.reader)
        return _read_one(file, name, known.get(name), own.reader)

    executor = ThreadPoolExecutor(workers)
    try:
        running: list[Future[tuple[FileRecord, bytes | None]]] = []
        for file, name in files:
            running.append(executor.submit(work, file, name))
            if len(running) >= 4 * workers:  # what is read and not yet written is kept small
                yield from _first_done(running)
        while running:
            yield from _first_done(running)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        for reader in list(readers):
            reader.close()  # a file that is being read when the run is interrupted ends now
        executor.shutdown(wait=True)
        for reader in readers:
            reader.close()


def _first_done(running: list[Future[T]]) -> Iterator[T]:
    """The results of those that are done, once one is, in the order of their start; they leave the list."""
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in [future for future in running if future in done]:
        running.remove(future)
        yield future.result()


def _read_one(
    file: Path, name: str, known: FileRecord | None, reader: SandboxedReader
) -> tuple[FileRecord, bytes | None]:
    try:
        digest = sha256_file(file)
    except OSError as e:
        what = f"cannot be read: {(e.strerror or str(e)).lower()}"
        return FileRecord(name, "", problems=[[str(file), None, what, "check the file's permissions", "warning"]]), b""
    if known is not None and known.sha256 == digest and known.is_done:
        return known, None
    documents, problems = read_file(file, name, reader)
    rows = b"".join(_row(document) for document in documents)
    record = FileRecord(
        name,
        digest,
        documents=len(documents),
        pages=sum(_pages(document) for document in documents),
        words=sum(count_words(document.text) for document in documents),
        problems=[[p.path, p.line, p.what, p.next_step, p.severity] for p in as_warnings(problems, file)],
    )
    return record, rows


def _pages(document: Document) -> int:
    pages = document.meta.get("pages")
    return pages if isinstance(pages, int) else 0


def _row(document: Document) -> bytes:
    """A document as `read_jsonl` reads it."""
    row: JsonObject = {"id": document.id}
    if document.title:
        row["title"] = document.title
    row["text"] = document.text
    if document.marks:
        row["marks"] = [mark.model_dump(mode="json", exclude_defaults=True) for mark in document.marks]
    return json.dumps({**document.meta, **row}, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
