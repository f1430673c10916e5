"""Where a variant is loaded from: a run folder that `compare` wrote, or a pack."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from domainkit.comparison.rebuild import AGAIN
from domainkit.errors import ConfigError
from domainkit.results.schema import Portfolio, Results, load_results
from domainkit.results.variants import FORMAT, RECORD, VariantsRecord
from domainkit.retrieval.saved import bring_indexes
from domainkit.winner.manifest import INDEXES, MANIFEST, Manifest, check_record, read_manifest

RESULTS = "results.json"
NAME_ONE = "name the folder that `domainkit compare --out` or `domainkit pack --out` wrote"


@dataclass(frozen=True)
class Source:
    """A folder with a record of variants."""

    folder: Path
    record: VariantsRecord
    manifest: Manifest | None = None
    """Of a pack."""

    def results(self) -> Results:
        """The results beside the record. Raises ConfigError where they are those of another run."""
        results = load_results(self.folder)
        if isinstance(results, Portfolio) or results.created != self.record.created:
            what = f"{RESULTS} and {RECORD} are of two different comparisons"
            raise ConfigError(what, where=str(self.folder), next_step=AGAIN)
        return results


def open_source(source: Path | str) -> Source:
    """The folder with its record. Raises ConfigError for anything else, naming what it is."""
    if not isinstance(source, str | Path):
        raise ConfigError(f"{source!r} is not the path of a folder", next_step=NAME_ONE)
    given = Path(source).expanduser()
    folder = given.parent if given.name in (RESULTS, RECORD, MANIFEST) else given
    if (folder / MANIFEST).is_file():
        return _open_pack(folder)
    file = folder / RECORD
    if not file.is_file():
        what, next_step = _why_not(folder)
        raise ConfigError(what, where=str(source), next_step=next_step)
    return Source(folder, _read_record(file))


def _open_pack(folder: Path) -> Source:
    manifest = read_manifest(folder)
    record = _read_record(folder / RECORD)
    check_record(folder, manifest, record)
    bring_indexes(folder.resolve() / INDEXES)
    return Source(folder, record, manifest)


def _read_record(file: Path) -> VariantsRecord:
    try:
        return VariantsRecord.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as e:
        raise ConfigError(_damage(file, e), where=str(file), next_step=f"copy the folder again, or {AGAIN}") from e


def _why_not(folder: Path) -> tuple[str, str]:
    """(what a folder without a record is, the next step)."""
    if not folder.is_dir():
        return "is a file" if folder.is_file() else "no such folder", NAME_ONE
    if (folder / "adapter_config.json").is_file():
        return "is an adapter, not a run", f'DomainLLM(adapter="{folder}") or `domainkit ask --adapter` asks an adapter'
    if (folder / RESULTS).is_file():
        if isinstance(load_results(folder), Portfolio):
            return "holds several comparisons", "name the run folder of one of them"
        return f"an earlier version wrote this run, without {RECORD}: its variants cannot be built again", AGAIN
    if (folder / "rows.jsonl").is_file():
        return "the comparison in it has not finished", "run the same `domainkit compare` again: it continues"
    return "is not a run folder", NAME_ONE


def _damage(file: Path, error: Exception) -> str:
    if isinstance(error, ValidationError):
        try:
            found = json.loads(file.read_text(encoding="utf-8")).get("format")
        except (ValueError, AttributeError, OSError):
            found = FORMAT
        if found != FORMAT:
            return f"is of the format {found!r}, and this version reads {FORMAT}"
        first = error.errors()[0]
        return f"cannot be read: {'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg'].lower()}"
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"
