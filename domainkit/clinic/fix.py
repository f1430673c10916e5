"""fix(): a new file with the findings that were accepted done, and an account of it. The data itself is not touched."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from domainkit.clinic.finding import Finding
from domainkit.clinic.findings_file import read_findings
from domainkit.clinic.personal_data.find import find_personal_data
from domainkit.clinic.row_texts import hash_of_rows, masked, texts_of
from domainkit.corpus.example import Example
from domainkit.corpus.read_files import Columns, read_with_rows
from domainkit.errors import ConfigError, DataError, Problem
from domainkit.messages import JsonObject
from domainkit.storage import write_text

TARGETS = ("target", "completion", "label", "answer", "output", "response", "expected", "intent", "category", "class")
"""Names of fields that hold a target, the first that holds the row's own."""


@dataclass(frozen=True)
class Fixed:
    """What was done."""

    rows: int
    """Rows of the data."""
    written: int
    relabelled: int
    deleted: int
    masked: int
    """Values that became placeholders."""
    not_accepted: int
    not_done: tuple[Problem, ...]
    """Accepted findings that could not be done, each with its reason."""


def fix(data: object, findings: str | Path, out: str | Path, *, columns: Columns | None = None) -> Fixed:
    """Write the rows of `data` to the new JSON Lines file `out`, with the accepted findings done.

    Raises ConfigError where `out` exists or the findings are of other rows, DataError for findings that cannot be read
    and for two that contradict each other.
    """
    path, file = Path(out), Path(findings)
    if path.exists():
        raise ConfigError(
            "is there already", where=str(path), next_step="choose another --out; nothing is written over"
        )
    found = read_findings(file)
    _, examples, rows, _, ready = read_with_rows(data, columns)
    _check_data(found, rows, file, str(data))
    accepted: dict[int, list[Finding]] = defaultdict(list)
    for finding in found:
        if finding.accept:
            accepted[finding.row - 1].append(finding)
    _check_one_label(accepted, file)
    counts: Counter[str] = Counter()
    problems: list[Problem] = []
    written: list[JsonObject] = []
    for i, (example, row) in enumerate(zip(examples, rows, strict=True)):
        corrected = _corrected(example, ready(row), accepted.get(i, ()), counts, problems)
        if corrected is not None:
            written.append(corrected)
    if not written:
        raise ConfigError("every row would be deleted", where=str(file), next_step="accept fewer findings")
    write_text(path, "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in written))
    return Fixed(
        rows=len(rows),
        written=len(written),
        relabelled=counts["relabel"],
        deleted=counts["delete"],
        masked=counts["mask"],
        not_accepted=sum(not f.accept for f in found),
        not_done=tuple(problems),
    )


def _check_data(found: Sequence[Finding], rows: Sequence[JsonObject], file: Path, data: str) -> None:
    here = hash_of_rows(rows)
    if wrong := {f.data for f in found} - {here}:
        what = f"the findings are of other rows ({', '.join(sorted(wrong))}) than {data} holds now ({here})"
        raise ConfigError(what, where=str(file), next_step=f"run domainkit check {data} --deep --out again")
    if beyond := [f for f in found if f.row > len(rows)]:
        raise ConfigError(f"row {beyond[0].row} is beyond the last", where=str(file), next_step="leave 'row' as it was")


def _check_one_label(accepted: dict[int, list[Finding]], file: Path) -> None:
    problems = []
    for found in accepted.values():
        values = {f.value for f in found if f.action == "relabel"}
        if len(values) > 1:
            what = f"{found[0].place} is to become {' and '.join(repr(v) for v in sorted(values))}"
            problems.append(Problem(str(file), None, what, "accept one of them"))
        problems += [
            Problem(str(file), None, f"the new label of {f.place} is empty", "write it in 'value'")
            for f in found
            if f.action == "relabel" and not f.value.strip()
        ]
    if problems:
        raise DataError(problems)


def _corrected(
    example: Example,
    row: JsonObject,
    findings: Sequence[Finding],
    counts: Counter[str],
    problems: list[Problem],
) -> JsonObject | None:
    """The row with its findings done; None where it is deleted."""
    if any(f.action == "delete" for f in findings):
        counts["delete"] += 1
        return None
    labels = [f.value for f in findings if f.action == "relabel"]
    if labels and labels[0] != example.target:
        corrected = with_target(row, example.target, labels[0])
        if corrected is None:
            what = f"its target '{example.target[:40]}' is not in the row as text, so it was not changed"
            problems.append(example.problem(what, "correct the row by hand", "warning"))
        else:
            counts["relabel"] += 1
            row = corrected
    kinds = frozenset(f.value for f in findings if f.action == "mask")
    if kinds:
        counts["mask"] += sum(f.kind in kinds for _, text in texts_of(row) for f in find_personal_data(text))
        row = masked(row, kinds)
    if any(f.action == "" for f in findings):
        problems.append(example.problem("no program can do what was accepted", "correct the row by hand", "warning"))
    return row


def with_target(row: JsonObject, old: str, new: str) -> JsonObject | None:
    """The row with `new` in place of its target `old`, wherever its layout has it; None where it is not found."""
    texts = [name for name, value in row.items() if isinstance(value, str) and value.strip() == old.strip()]
    name = next((t for t in TARGETS if t in texts), texts[-1] if len(texts) == 1 else None)
    if name is not None:
        return {**row, name: new}
    for name, value in row.items():
        if isinstance(value, list) and value and isinstance(value[-1], dict):
            last = value[-1]
            key = next((k for k in ("content", "value", "text") if last.get(k) == old), None)
            if key is not None:
                return {**row, name: [*value[:-1], {**last, key: new}]}
    return None
