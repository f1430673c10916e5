"""Feedback: what users said of answers becomes rows for the next training.

It holds texts, because a user sent them; a watch without feedback keeps none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from domainkit.errors import ConfigError, DataError, Problem, RequestError, saving, validation_error_text
from domainkit.messages import JsonObject
from domainkit.monitoring.append import append_row
from domainkit.monitoring.state import now
from domainkit.storage import parse_json, read_bytes, write_text

FEEDBACK_FILE = "feedback.jsonl"
Key = tuple[str, str | None]
"""(question, system turn)."""


class Feedback(BaseModel):
    """What one user said of one answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    question: str
    answer: str
    good: bool | None = None
    """Thumbs up or down; None without."""
    correction: str | None = None
    """What should have been answered."""
    system: str | None = None
    """The system turn of the question, where it had one."""

    @property
    def key(self) -> Key:
        return self.question, self.system


def record_feedback(
    folder: Path | str,
    question: str,
    answer: str,
    *,
    good: bool | None = None,
    correction: str | None = None,
    system: str | None = None,
) -> None:
    """Add what a user said of an answer to feedback.jsonl in `folder`, with these texts.

    Raises RequestError for neither a mark nor a correction, and for an empty question or correction; MachineError
    where the file cannot be written.
    """
    take_feedback(
        folder, {"question": question, "answer": answer, "good": good, "correction": correction, "system": system}
    )


def take_feedback(folder: Path | str, body: JsonObject) -> None:
    """The same for the JSON body of a request: an object of question, answer, and good or correction. Raises
    RequestError for any other."""
    try:
        given = Feedback.model_validate(body)
    except ValidationError as e:
        what = validation_error_text(e.errors()[0], Feedback)
        next_step = 'send {"question": …, "answer": …, "good": true or false, "correction": …}'
        raise RequestError(f"the feedback cannot be read: {what}", next_step=next_step) from e
    if not given.question.strip():
        raise RequestError("the feedback names no question", next_step="send the question that was answered")
    if given.correction is not None and not given.correction.strip():
        raise RequestError("the correction is empty", next_step="send what should have been answered, or leave it out")
    if given.good is None and given.correction is None:
        raise RequestError("the feedback says nothing", next_step="send good: true or false, or a correction")
    path = Path(folder) / FEEDBACK_FILE
    with saving(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    append_row(path, {"time": now(), **given.model_dump(exclude_none=True)})


def read_feedback(folder: Path) -> list[Feedback]:
    """In the order given; none where there is no file. Raises DataError for a damaged line."""
    path = folder / FEEDBACK_FILE
    if not path.exists():
        return []
    found = []
    try:
        lines = read_bytes(path).split(b"\n")
    except OSError as e:
        raise DataError([Problem(str(path), None, f"cannot be read: {e.strerror or e}", "check the path")]) from e
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = parse_json(line)
                row.pop("time", None)
                found.append(Feedback.model_validate(row))
            except (ValueError, AttributeError) as e:
                what = f"is no feedback: {str(e).splitlines()[0]}"
                raise DataError([Problem(str(path), number, what, "correct or delete the line")]) from e
    return found


@dataclass(frozen=True, slots=True)
class FeedbackRows:
    """The files that were written, and what was left out."""

    corrections: tuple[Path, int] | None
    """(file, rows) of {"input", "target"}: for `domainkit train`."""
    pairs: tuple[Path, int] | None
    """Of {"prompt", "chosen", "rejected"}: for `domainkit prefer`."""
    marked: tuple[Path, int] | None
    """Of {"prompt", "completion", "label"}: for `domainkit prefer` with an objective for marked answers."""
    notes: tuple[str, ...]


def write_feedback_rows(folder: Path | str, out: Path | str) -> FeedbackRows:
    """Write the folder's feedback as rows: corrections to `out`, pairs and marks to files beside it.

    The latest correction of a question counts. Raises ConfigError where there is no feedback, and rather than replace
    a file.
    """
    folder, out = Path(folder), Path(out)
    given = read_feedback(folder)
    if not given:
        what = f"holds no feedback ({FEEDBACK_FILE})"
        raise ConfigError(
            what, where=str(folder), next_step="record_feedback(folder, question, answer, good=…) adds some"
        )
    if out.suffix != ".jsonl":
        raise ConfigError(
            "rows are written as JSON Lines", where=str(out), next_step=f"name {out.with_suffix('.jsonl')}"
        )
    marks, notes = _marks(given)
    corrected = {g.key: g for g in given if g.correction is not None}
    rows = (
        (out, [_row(g, input=g.question, target=g.correction) for g in corrected.values()]),
        (out.with_suffix(".pairs.jsonl"), _pairs(given)),
        (out.with_suffix(".marked.jsonl"), marks),
    )
    for path, lines in rows:
        if lines and path.exists():
            raise ConfigError("is there already", where=str(path), next_step="choose another name for the rows")
    corrections, pairs, marked = (_written(path, lines) for path, lines in rows)
    return FeedbackRows(corrections, pairs, marked, tuple(notes))


def _row(given: Feedback, **fields: object) -> JsonObject:
    return {**({} if given.system is None else {"system": given.system}), **fields}


def _pairs(given: Iterable[Feedback]) -> list[JsonObject]:
    """A correction is better than the answer it corrects."""
    found = {
        (g.key, g.answer): _row(g, prompt=g.question, chosen=g.correction, rejected=g.answer)
        for g in given
        if g.correction is not None and g.answer.strip() and g.answer.strip() != g.correction.strip()
    }
    return list(found.values())


def _marks(given: Iterable[Feedback]) -> tuple[list[JsonObject], list[str]]:
    """Answers marked good or bad; one that was corrected is bad. Answers marked both ways are left out."""
    marks: dict[tuple[Key, str], list[tuple[Feedback, bool]]] = {}
    for g in given:
        same = g.correction is not None and g.correction.strip() == g.answer.strip()
        good = g.good if g.good is not None else same
        if g.answer.strip():
            marks.setdefault((g.key, g.answer), []).append((g, good))
    both = [m for m in marks.values() if len({good for _, good in m}) > 1]
    rows = [
        _row(m[0][0], prompt=m[0][0].question, completion=m[0][0].answer, label=m[0][1])
        for m in marks.values()
        if m not in both
    ]
    notes = [f"{len(both):,} answers were marked good and bad, and are left out of the marks."] if both else []
    if rows and len({row["label"] for row in rows}) == 1:
        word = "good" if rows[0]["label"] else "bad"
        notes.append(f"Every answer is marked {word}: domainkit prefer needs both kinds.")
    return rows, notes


def _written(path: Path, rows: list[JsonObject]) -> tuple[Path, int] | None:
    if not rows:
        return None
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path, len(rows)
