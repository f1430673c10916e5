"""Errors: each names the thing, where it is, and the next step.

Every error a user can cause is a `DomainkitError`; it stores its facts as attributes, so a program can act on them, and
prints them as one short message. The command line turns it into exit code `exit_code` (2: the input or the command was
wrong; 1: the machine could not do it).
"""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from domainkit.visible import visible

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails


FOREIGN_ERRORS = (Exception, SystemExit)
"""What a user's own code may raise without ending the run: a Runnable around a script may call sys.exit."""


def _message(where: str | None, what: str, next_step: str | None) -> str:
    """Names and values in a message come from files: they are made visible."""
    head = f"{where}: {what}" if where else what
    return visible(f"{head}\n  next: {next_step}" if next_step else head)


class DomainkitError(Exception):
    """What went wrong, where, and what to do next."""

    exit_code = 2
    """Of the command line."""

    def __init__(self, what: str, *, where: str | None = None, next_step: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        """The error in one sentence."""
        self.where = where
        """The file (`path:line`), option or model."""
        self.next_step = next_step
        """What to do about it."""

    def __str__(self) -> str:
        return _message(self.where, self.what, self.next_step)

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process and thread pools: rebuild from attributes, since the arguments are keyword-only.
        return (type(self).__new__, (type(self),), {**self.__dict__, "args": self.args})

    def __setstate__(self, state: dict[str, object] | None) -> None:
        state = dict(state or {})
        self.args = state.pop("args", ())  # type: ignore[assignment]
        self.__dict__.update(state)


def place(path: str, line: int | None, unit: str = "") -> str:
    """A place in a file as messages show it: `path:3`, or `path, row 3` where `unit` is "row"."""
    if line is None:
        return path
    return f"{path}, {unit} {line}" if unit else f"{path}:{line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One error or warning in a data file."""

    path: str
    line: int | None
    """From 1; None when the whole file is meant."""
    what: str
    next_step: str | None = None
    severity: Literal["error", "warning"] = "error"
    unit: str = ""
    """What `line` counts where the file has no lines: "row"."""

    @property
    def where(self) -> str:
        return place(self.path, self.line, self.unit)

    def __str__(self) -> str:
        return _message(self.where, self.what, self.next_step)


class DataError(DomainkitError):
    """A data file cannot be used."""

    MAX_LISTED = 20

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        """Every problem of the file, not only those that the message lists."""
        lines = [str(p) for p in self.problems[: self.MAX_LISTED]]
        if len(self.problems) > self.MAX_LISTED:
            lines.append(f"… and {len(self.problems) - self.MAX_LISTED} more (domainkit check lists all)")
        super().__init__("\n".join(lines))


class ConfigError(DomainkitError):
    """An option, setting or name is wrong."""


class BaseModelError(DomainkitError):
    """The base model is missing, unreadable or unsuitable."""


class AdapterError(DomainkitError):
    """An adapter folder is missing, damaged, or belongs to another base."""


class TrainingError(DomainkitError):
    """Training went wrong: it diverged, or the adapter cannot learn."""

    exit_code = 1


class RequestError(DomainkitError):
    """One request to a model cannot be answered; other requests continue."""


class PromptTooLongError(RequestError):
    """A prompt has more tokens than the base reads."""


class MachineError(DomainkitError):
    """This machine cannot do it: disk space, memory, a package or a device is missing."""

    exit_code = 1


_FULL = ("No space left", "os error 28", "PytorchStreamWriter failed", "unexpected pos", "iostream error")
"""What safetensors and torch say of a full disk; neither raises an OSError with its number."""
_REFUSED = (errno.EACCES, errno.EROFS, errno.EPERM)
_WRONG_PATH = (
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EINVAL,
    errno.ENOTEMPTY,
)


@contextmanager
def saving(path: Path | str) -> Iterator[None]:
    """Turn an error of writing `path` into one that says what to do: MachineError, or ConfigError for a wrong path."""
    try:
        yield
    except DomainkitError:
        raise
    except Exception as e:
        if translated := _writing_error(e, str(path)):
            raise translated from e
        raise


def _writing_error(e: Exception, path: str) -> DomainkitError | None:
    number = e.errno if isinstance(e, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT) or any(text in str(e) for text in _FULL):
        return MachineError(
            "no space left on the disk; nothing already finished was lost",
            where=path,
            next_step="free some space or choose another --out, then run the same command again; "
            "train and prefer continue with --resume",
        )
    if number == errno.EFBIG or "os error 27" in str(e):
        return MachineError(
            "the file is too large for this file system or this user's limit (ulimit -f)",
            where=path,
            next_step="choose an --out on another file system, or raise the limit",
        )
    if number in _REFUSED:
        reason = "the file system is read-only" if number == errno.EROFS else "permission denied"
        return MachineError(f"cannot be written: {reason}", where=path, next_step="choose an --out you may write to")
    if number in _WRONG_PATH and isinstance(e, OSError):
        reason = (e.strerror or str(e)).lower()
        return ConfigError(f"cannot be written: {reason}", where=path, next_step="choose another path")
    return None


_INVALID = re.compile(r"\d+ validation errors? for ")


def first_line(error: BaseException) -> str:
    """The first line of another library's message, with the error's type where the line alone says too little."""
    lines = str(error).strip().splitlines()
    if lines and _INVALID.match(lines[0]):  # of pydantic: then come the field, and what is wrong with it
        return ": ".join(line.strip() for line in lines[:3])
    if lines and not isinstance(error, (KeyError, AssertionError)):
        return " ".join(lines[: 2 if lines[0].endswith(":") else 1])
    return ": ".join([type(error).__name__, *lines[:1]])


def validation_error_text(error: ErrorDetails, model: type[BaseModel]) -> str:
    """One error of pydantic's `ValidationError.errors()` as a clause: the field, its value, and the rule or the nearest
    name."""
    field = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        similar = difflib.get_close_matches(field, model.model_fields, n=1)
        return f"unknown option '{field}'" + (f" (did you mean '{similar[0]}'?)" if similar else "")
    return f"{field}={error['input']!r}: {error['msg'].lower()}"
