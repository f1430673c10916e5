"""What a watch keeps: counts and bets. No question and no answer."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domainkit.errors import DataError, Problem
from domainkit.monitoring.reference import Reference, Series
from domainkit.results.answers import Record
from domainkit.statistics.drift import ALTERNATIVES, Bets
from domainkit.storage import read_bytes, write_text

REFERENCE_FILE, STATE_FILE, TEXTS_FILE = "reference.json", "counts.json", "texts.jsonl"
DAYS = 60
"""Days whose counts are kept one by one; earlier ones are added up."""
CONVERSATIONS = 1_000
"""Latest conversations that are recognised, by a hash with a key of this folder."""
CONFIDENCE_BINS = 50
T = TypeVar("T", bound=BaseModel)
ARRAYS = ("sums", "runs", "since", "seen", "marked")
Numbers = list[list[list[float]]]
"""Of each series, direction and alternative."""


class Day(Record):
    """Counts of one day, one number per series."""

    day: str
    """UTC, ISO 8601."""
    counted: int = 0
    """Conversations."""
    values: tuple[int, ...]
    """Of them, with a value for the series;"""
    marked: tuple[int, ...]
    """and with its mark."""

    def plus(self, other: Day) -> Day:
        """Both days' counts under the later day."""
        return Day(
            day=max(self.day, other.day),
            counted=self.counted + other.counted,
            values=tuple(a + b for a, b in zip(self.values, other.values, strict=True)),
            marked=tuple(a + b for a, b in zip(self.marked, other.marked, strict=True)),
        )


class Alarm(Record):
    """The moment at which the average E reached the alarm."""

    time: str
    counted: int
    """Conversations by then."""
    value: float
    series: str
    """The one with the largest part in it."""
    direction: Literal["rose", "fell"]
    began: int
    """After how many conversations its change began, as the best bet has it."""


def _arrays(bets: Bets) -> dict[str, np.ndarray]:
    return {name: getattr(bets, name) for name in ARRAYS}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class State(BaseModel):
    """Everything that changes. The confidence is the last series."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal["domainkit.watch/1"] = "domainkit.watch/1"
    key: str = Field(default_factory=lambda: secrets.token_hex(16))
    """Of the hashes of conversations' names."""
    started: str = Field(default_factory=now)
    latest: str = ""
    counted: int = 0
    """Conversations."""
    later_turns: int = 0
    """Answers to later questions of a conversation."""
    failed: int = 0
    """Calls that raised an error."""
    lost: int = 0
    """Answers that could not be measured, or came faster than they could be."""
    lost_reason: str = ""
    sums: Numbers
    runs: Numbers
    since: Numbers
    seen: Numbers
    marked: Numbers
    spent: int = 0
    renewals: int = 0
    """`Bets` of statistics.drift: these seven."""
    days: list[Day] = []
    earlier: Day | None = None
    """All days before."""
    alarms: list[Alarm] = []
    """At most one for each renewal."""
    confidences: list[int] = Field(default_factory=lambda: [0] * CONFIDENCE_BINS)
    """How many of the first answers had which confidence."""
    confidence: Series | None = None
    """Its reference, once these are enough."""
    recent: list[str] = []
    """Hashes of the latest conversations' names."""

    @classmethod
    def new(cls, series: int) -> State:
        return cls(**{name: array.tolist() for name, array in _arrays(Bets.none_yet(series)).items()})

    def bets(self) -> Bets:
        arrays = {name: np.array(getattr(self, name)) for name in ARRAYS}
        return Bets(**arrays, counted=self.counted, spent=self.spent, renewals=self.renewals)

    def keep(self, bets: Bets) -> None:
        """Take over what `bets` has become."""
        for name, array in _arrays(bets).items():
            setattr(self, name, array.tolist())
        self.counted, self.spent, self.renewals = bets.counted, bets.spent, bets.renewals

    def is_known(self, conversation: str) -> bool:
        """Whether the conversation is one of the latest; from now on it is."""
        name = blake2b(conversation.encode("utf-8", "replace"), key=bytes.fromhex(self.key), digest_size=8).hexdigest()
        if name in self.recent:
            return True
        self.recent = [*self.recent[-CONVERSATIONS + 1 :], name]
        return False

    def add_day(self, values: tuple[int, ...], marked: tuple[int, ...], conversations: int) -> None:
        """Count in the day of today."""
        today = Day(day=datetime.now(UTC).date().isoformat(), counted=conversations, values=values, marked=marked)
        if self.days and self.days[-1].day >= today.day:  # a clock that went back changes nothing
            self.days[-1] = self.days[-1].plus(today)
            return
        self.days.append(today)
        while len(self.days) > DAYS:
            oldest = self.days.pop(0)
            self.earlier = oldest if self.earlier is None else self.earlier.plus(oldest)

    def day_of(self, conversation: int) -> str:
        """The day in which the conversation of that number (from 0) was counted."""
        count = self.earlier.counted if self.earlier else 0
        if conversation < count and self.earlier:
            return f"{self.earlier.day} or before"
        for day in self.days:
            count += day.counted
            if conversation < count:
                return day.day
        return self.days[-1].day if self.days else ""


def save_state(folder: Path, state: State) -> None:
    write_text(folder / STATE_FILE, state.model_dump_json() + "\n")


def save_reference(folder: Path, reference: Reference) -> None:
    write_text(folder / REFERENCE_FILE, reference.model_dump_json(indent=1) + "\n")


def read_folder(folder: Path) -> tuple[Reference, State]:
    """Reference and state of a watch folder. Raises DataError for one that is none, or is damaged."""
    reference = _read(folder / REFERENCE_FILE, Reference, "domainkit watch FOLDER --run RUN begins one")
    series = len(reference.series) + 1
    if not (folder / STATE_FILE).exists():  # stopped before the first answer
        return reference, State.new(series)
    state = _read(folder / STATE_FILE, State, "put it back from a copy, or delete it: the counts then begin anew")
    if {np.shape(getattr(state, name)) for name in ARRAYS} != {(series, 2, len(ALTERNATIVES))}:
        what = f"has counts of {len(state.sums)} series, where {REFERENCE_FILE} has {series}"
        raise DataError([Problem(str(folder / STATE_FILE), None, what, "delete it: the counts then begin anew")])
    return reference, state


def _read(file: Path, form: type[T], next_step: str) -> T:
    try:
        return form.model_validate_json(read_bytes(file))
    except OSError as e:
        raise DataError([Problem(str(file), None, f"cannot be read: {e.strerror or e}", next_step)]) from e
    except ValidationError as e:
        first = e.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise DataError([Problem(str(file), None, f"is damaged: {place}: {first['msg']}", next_step)]) from e
