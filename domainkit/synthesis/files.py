"""The files of a run: rows by side, what was dropped, the report, and a record by which a later run knows them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from domainkit.errors import ConfigError
from domainkit.storage import JsonObject, parse_json, read_bytes, sha256_file, write_text
from domainkit.synthesis.report.markdown import report_markdown
from domainkit.synthesis.result import MadeRows

REPLIES = "replies.jsonl"
RECORD = "make.json"
_WRITTEN = ("train.jsonl", "test.jsonl", "dropped.jsonl", "report.md")
_LIMIT = 64 * 2**20

Hashes = dict[str, list[str]]
"""Of each file, the contents that it may have; two while it is being replaced."""


def claim_folder(out: Path) -> None:
    """Mark the folder as one of `make`. Raises ConfigError where writing would replace a file that somebody else wrote,
    or has changed since."""
    recorded = _recorded(out)
    known = dict(recorded) if recorded is not None else {}
    for name in (*_WRITTEN, *([REPLIES] if recorded is None else [])):
        path = out / name
        if path.exists() and (not path.is_file() or sha256_file(path) not in known.get(name, ())):
            what = "was changed after make wrote it" if name in known else "is there already, and make did not write it"
            raise ConfigError(what, where=str(path), next_step="move or rename it, or choose another --out")
    if recorded is None:
        _write_record(out, {}, {})


def write_files(made: MadeRows) -> None:
    """Write the run's files; those without a row are left out, and removed where an earlier run wrote them."""
    texts = {
        "train.jsonl": _lines(made.train),
        "test.jsonl": _lines(made.test),
        "dropped.jsonl": _lines(d.record() for d in made.dropped),
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
    new = {name: [hashlib.sha256(text.encode()).hexdigest()] for name, text in texts.items() if text}
    old = _recorded(made.out) or {}
    # Both contents are known while files are replaced: a run that is killed here can be run again.
    _write_record(made.out, facts, {name: [*old.get(name, ()), *new.get(name, ())] for name in texts})
    for name, text in texts.items():
        if text:
            write_text(made.out / name, text)
        else:
            (made.out / name).unlink(missing_ok=True)
    _write_record(made.out, facts, new)


def _write_record(out: Path, facts: JsonObject, hashes: Mapping[str, Sequence[str]]) -> None:
    text = json.dumps({**facts, "files": hashes}, indent=1, ensure_ascii=False)
    write_text(out / RECORD, text + "\n")


def _recorded(out: Path) -> Hashes | None:
    """The hashes of the files that earlier runs wrote; None where there was none."""
    try:
        files = parse_json(read_bytes(out / RECORD, _LIMIT))["files"]
        return {str(name): [str(digest) for digest in digests] for name, digests in files.items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        what = f"is not the record of a run of make: {e}"
        raise ConfigError(what, where=str(out / RECORD), next_step="choose another --out") from e


def _lines(rows: Iterable[JsonObject]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
