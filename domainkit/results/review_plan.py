"""review_plan.json: which questions of a run people review, in which order, and with which chances.

It is written before the first review, since the chances are what makes the result hold for all questions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from domainkit.errors import DataError, Problem
from domainkit.results.answers import Record
from domainkit.storage import read_bytes, write_text

FORMAT: Literal["domainkit.review/1"] = "domainkit.review/1"
PLAN_FILE = "review_plan.json"


class ReviewPlan(Record):
    """The file."""

    format: Literal["domainkit.review/1"] = FORMAT
    variants: tuple[str, ...]
    """One, or two whose answers are set side by side."""
    reviews: int
    """Questions to review."""
    questions: int
    """Of the run that all of these variants answered."""
    identical: int = 0
    """Of them, those to which both answers are the same: they are not shown."""
    queue: tuple[str, ...]
    """Ids of all others. However many are reviewed, the first of them are a sample."""
    weights: tuple[float, ...]
    """Of each in the queue: its chance among n reviews is n times this, at most 1 (`review_queue.chances`)."""
    ordered_by: str = ""
    """The judge whose scores made the weights; "" where all are alike."""
    digest: str
    """Of the questions' answers: when these change, a new queue is drawn."""
    seed: int = 0
    rubric: str = ""
    """What makes an answer right, as the reviewer reads it."""

    def save(self, run: Path) -> None:
        write_text(run / PLAN_FILE, self.model_dump_json(indent=1) + "\n")


def read_plan(run: Path) -> ReviewPlan | None:
    """The plan in a run folder; None without one. Raises DataError for a damaged file."""
    path = run / PLAN_FILE
    if not path.exists():
        return None
    next_step = "move it away; `domainkit review` then draws a new queue"
    try:
        return ReviewPlan.model_validate_json(read_bytes(path))
    except OSError as e:
        raise DataError([Problem(str(path), None, f"cannot be read: {e.strerror or e}", "check the path")]) from e
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        what = f"is not a {FORMAT} file: {where}: {first['msg']}"
        raise DataError([Problem(str(path), None, what, next_step)]) from e


__all__ = ["PLAN_FILE", "ReviewPlan", "read_plan"]
