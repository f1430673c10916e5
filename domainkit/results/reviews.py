"""reviews.jsonl: what people who know the domain said of a run's answers, one line for each click.

A line holds all that one person has said of one question so far: the last line of a person and question counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from domainkit.appended_lines import AppendedLines
from domainkit.errors import DataError, Problem, validation_error_text
from domainkit.storage import parse_json, read_bytes, sha256_json

REVIEWS_FILE = "reviews.jsonl"
Judged = Literal["right", "wrong", "cannot judge"]
Preferred = Literal["left", "right", "tie"]


class Review(BaseModel):
    """One person's view of one question with one variant's answer, or two side by side."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    question: str
    """The item's id."""
    left: str
    """The variant whose answer was shown first; the reviewer does not see its name."""
    right: str | None = None
    """The other variant; None where one answer alone was shown."""
    left_verdict: Judged | None = None
    """None: not given yet."""
    right_verdict: Judged | None = None
    preference: Preferred | None = None
    correction: str = ""
    """What should have been answered."""
    reason: str = ""
    reviewer: str
    at: str
    """UTC, ISO 8601."""
    chance: float
    """That the question is in the sample, as planned when it was shown; in (0, 1]."""
    left_digest: str
    """`text_digest` of the answer that was shown."""
    right_digest: str | None = None
    reference_shown: bool = False
    """Whether the reviewer looked at the task's own answer."""

    @property
    def variants(self) -> tuple[str, ...]:
        """Those shown, left first."""
        return (self.left,) if self.right is None else (self.left, self.right)

    @property
    def finished(self) -> bool:
        """Whether each answer has its verdict, and the better one is named where both could be judged."""
        if self.right is None:
            return self.left_verdict is not None
        verdicts = (self.left_verdict, self.right_verdict)
        return None not in verdicts and (self.preference is not None or "cannot judge" in verdicts)

    def verdict_on(self, variant: str) -> Judged | None:
        return self.left_verdict if variant == self.left else self.right_verdict

    def digest_of(self, variant: str) -> str | None:
        return self.left_digest if variant == self.left else self.right_digest

    @property
    def preferred(self) -> str | None:
        """The variant whose answer the reviewer would rather give; None for a tie, and where nothing was said."""
        return {"left": self.left, "right": self.right}.get(self.preference or "")


def text_digest(answer: str) -> str:
    """What tells an answer from one that another run gave."""
    return sha256_json(answer)[:16]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def latest(reviews: Iterable[Review]) -> dict[tuple[str, str], Review]:
    """The last review by reviewer and question, in the order in which each was begun."""
    found: dict[tuple[str, str], Review] = {}
    for review in reviews:
        found[review.reviewer, review.question] = review
    return found


def read_reviews(run: Path) -> list[Review]:
    """Every line, in the order written; none where there is no file. A last line that a kill cut off is left out.

    Raises DataError for a line that is not a review.
    """
    path = run / REVIEWS_FILE
    if not path.exists():
        return []
    try:
        lines = read_bytes(path).split(b"\n")[:-1]
    except OSError as e:
        raise DataError([Problem(str(path), None, f"cannot be read: {e.strerror or e}", "check the path")]) from e
    return _parsed(path, lines)


class ReviewLog:
    """The reviews of a run, open for writing. A context manager: one desk at a time owns the file."""

    def __init__(self, run: Path) -> None:
        self.path = run / REVIEWS_FILE
        self.reviews: list[Review] = []
        self._file = AppendedLines(self.path, "another review desk", "use its page")

    def __enter__(self) -> Self:
        self._file.__enter__()
        try:
            self.reviews = _parsed(self.path, self._file.lines)
        except DataError:
            self._file.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)

    def append(self, review: Review) -> None:
        """One line more, through to the disk. Raises MachineError where that fails; the file is then as before."""
        self._file.append([review.model_dump_json().encode()])
        self.reviews.append(review)


def _parsed(path: Path, lines: Iterable[bytes]) -> list[Review]:
    found, problems = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(Review.model_validate(parse_json(line)))
        except ValidationError as e:
            problems.append(_problem(path, number, validation_error_text(e.errors()[0], Review)))
        except ValueError as e:
            problems.append(_problem(path, number, str(e).partition("\n")[0]))
    if problems:
        raise DataError(problems)
    return found


def _problem(path: Path, number: int, what: str) -> Problem:
    return Problem(str(path), number, f"is not a review: {what}", "correct or delete the line")


__all__ = ["REVIEWS_FILE", "Judged", "Preferred", "Review", "ReviewLog", "latest", "now", "read_reviews", "text_digest"]
