"""The documents of a run: read once, and kept as text beside what else the run writes."""

from __future__ import annotations

from domainkit.corpus.ingest import IngestSummary, OnProgress, ingest
from domainkit.project.config import Project

DOCUMENTS = "documents.jsonl"


def documents_of(project: Project, on_progress: OnProgress | None = None) -> IngestSummary:
    """Read what `corpus` names into one file; what has not changed since the last run is not read again.

    The documents of one folder are named as compare names them, those of several by their path from the project's
    folder. Raises DataError where nothing can be read.
    """
    out, [first, *others] = project.out / DOCUMENTS, project.corpus
    path = project.folder / first
    if not others and path.exists():
        return ingest(path, out, on_progress=on_progress)
    return ingest(project.folder, out, only=project.corpus, on_progress=on_progress)
