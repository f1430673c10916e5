"""What an error of a provider means: try again, leave this request out, or stop."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from domainkit.errors import ConfigError, DomainkitError, MachineError, RequestError, first_line
from domainkit.retry_after import LONGEST_WAIT, seconds_asked

Meaning = Literal["again", "skip", "stop"]
_STOP = frozenset((401, 402, 403, 404))
"""Not signed in, not paid, not allowed, no such model: each further call would fail in the same way."""
_AGAIN = frozenset((408, 409, 425, 429))
_TEMPORARY = ("timeout", "connection", "ratelimit", "unavailable", "overloaded", "toomanyrequests", "internalserver")
"""In the names of providers' errors that have no status."""
_LONGEST = 300
"""Letters of a message."""


def meaning_of(error: Exception) -> Meaning:
    """By the HTTP status where the error has one, else by its type."""
    if isinstance(error, RequestError):
        return "skip"
    if isinstance(error, DomainkitError | ImportError):
        return "stop"  # domainkit's own backends have already tried again
    status = status_of(error)
    if status is not None:
        return "stop" if status in _STOP else "again" if status in _AGAIN or status >= 500 else "skip"
    name = type(error).__name__.lower()
    temporary = isinstance(error, TimeoutError | ConnectionError) or any(part in name for part in _TEMPORARY)
    return "again" if temporary else "skip"


def status_of(error: object) -> int | None:
    """The HTTP status of a provider's error, where it has one: each provider has a class of its own."""
    for value in (
        getattr(error, "status_code", None),
        getattr(error, "code", None),
        getattr(getattr(error, "response", None), "status_code", None),
    ):
        if isinstance(value, int) and not isinstance(value, bool) and 100 <= value < 600:
            return value
    return None


def wait_before(error: object, attempt: int, first_wait: float) -> float:
    """Seconds before the next attempt: what the provider asks for, up to a minute, else doubled each time."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    asked = seconds_asked(headers.get("retry-after")) if isinstance(headers, Mapping) else None
    return min(LONGEST_WAIT, max(asked or 0.0, first_wait * 2**attempt))


def described(error: BaseException) -> str:
    """RateLimitError: the first line of its message."""
    line = first_line(error)
    cause = error.__cause__
    if cause is not None and not isinstance(error, DomainkitError) and "connection error" in line.lower():
        line = f"{line.rstrip('.')} ({first_line(cause)})"  # openai's says no more than this
    line = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"  # some repeat the whole reply
    name = type(error).__name__
    return line if line.startswith(name) or isinstance(error, DomainkitError) else f"{name}: {line}"


def stopping(role: str, name: str, error: Exception, kept: int, file: Path) -> DomainkitError:
    """The error that ends the run; `kept` replies of the model are in `file`."""
    kind = ConfigError if status_of(error) in _STOP or isinstance(error, ConfigError) else MachineError
    what, next_step = f"the {role} cannot be asked: {described(error)}", "correct this, then run the same command again"
    if kept:
        replies = f"{kept:,} replies are" if kept > 1 else "1 reply is"
        what = f"{what.rstrip('.')}. {replies} kept in {file}"
        next_step += ": it asks only what is missing"
    return kind(what, where=name, next_step=next_step)
