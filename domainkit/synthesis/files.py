"""The files of a run: rows by side, what was dropped, the report, and a record by which a later run knows them."""

from __future__ import annotations

from pathlib import Path

from domainkit.storage import JsonObject
from domainkit.synthesis.asking.owned_folder import OwnedFolder, as_lines
from domainkit.synthesis.report.markdown import report_markdown
from domainkit.synthesis.result import MadeRows

REPLIES = "replies.jsonl"
RECORD = "make.json"
_WRITTEN = ("train.jsonl", "test.jsonl", "dropped.jsonl", "report.md")


def claim_folder(out: Path) -> None:
    """Mark the folder as one of `make`. Raises ConfigError where writing would replace a file that somebody else wrote,
    or has changed since."""
    _owned(out).claim()


def write_files(made: MadeRows) -> None:
    """Write the run's files; those without a row are left out, and removed where an earlier run wrote them."""
    texts = {
        "train.jsonl": as_lines(made.train),
        "test.jsonl": as_lines(made.test),
        "dropped.jsonl": as_lines([d.record() for d in made.dropped]),
        "report.md": report_markdown(made),
    }
    facts: JsonObject = {
        "options": made.config.model_dump(exclude_defaults=True),
        "models": {use.role: use.name for use in made.models},
        "rows": {"train": len(made.train), "test": len(made.test)},
        "written": made.written,
        "surplus": made.surplus,
        "dropped": made.taken(),
    }
    _owned(made.out).write(texts, facts)


def _owned(out: Path) -> OwnedFolder:
    return OwnedFolder(out, "make", RECORD, _WRITTEN, (REPLIES,))
