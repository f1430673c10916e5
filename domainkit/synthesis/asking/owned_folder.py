"""The folder of a run: its files are replaced by later runs, and never those that somebody else wrote or changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from domainkit.errors import ConfigError
from domainkit.storage import JsonObject, parse_json, read_bytes, sha256_file, write_text

_LIMIT = 64 * 2**20
Hashes = dict[str, list[str]]
"""Of each file, the contents that it may have; two while it is being replaced."""


@dataclass(frozen=True)
class OwnedFolder:
    """What one command writes into a folder."""

    folder: Path
    command: str
    """As messages name it."""
    record: str
    """The file by which a later run knows the others."""
    written: tuple[str, ...]
    """Files that each run replaces."""
    appended: tuple[str, ...] = ()
    """Files that each run continues."""

    def claim(self) -> None:
        """Mark the folder as one of this command. Raises ConfigError where writing would replace a file that somebody
        else wrote, or has changed since."""
        recorded = self._recorded()
        known = dict(recorded) if recorded is not None else {}
        for name in (*self.written, *(self.appended if recorded is None else ())):
            path = self.folder / name
            if path.exists() and (not path.is_file() or sha256_file(path) not in known.get(name, ())):
                changed = f"was changed after {self.command} wrote it"
                what = changed if name in known else f"is there already, and {self.command} did not write it"
                raise ConfigError(what, where=str(path), next_step="move or rename it, or choose another --out")
        if recorded is None:
            self._write_record({}, {})

    def write(self, texts: Mapping[str, str], facts: JsonObject) -> None:
        """Write the files, and the record with `facts`; an empty text is left out, and removed where an earlier run
        wrote the file."""
        new = {name: [hashlib.sha256(text.encode()).hexdigest()] for name, text in texts.items() if text}
        old = self._recorded() or {}
        # Both contents are known while files are replaced: a run that is killed here can be run again.
        self._write_record(facts, {name: [*old.get(name, ()), *new.get(name, ())] for name in texts})
        for name, text in texts.items():
            if text:
                write_text(self.folder / name, text)
            else:
                (self.folder / name).unlink(missing_ok=True)
        self._write_record(facts, new)

    def _write_record(self, facts: JsonObject, hashes: Mapping[str, Sequence[str]]) -> None:
        text = json.dumps({**facts, "files": hashes}, indent=1, ensure_ascii=False)
        write_text(self.folder / self.record, text + "\n")

    def _recorded(self) -> Hashes | None:
        """The hashes of the files that earlier runs wrote; None where there was none."""
        path = self.folder / self.record
        try:
            files = parse_json(read_bytes(path, _LIMIT))["files"]
            return {str(name): [str(digest) for digest in digests] for name, digests in files.items()}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
            what = f"is not the record of a run of {self.command}: {e}"
            raise ConfigError(what, where=str(path), next_step="choose another --out") from e


def as_lines(rows: Sequence[JsonObject]) -> str:
    """The rows as JSON Lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
