"""What an error of a provider means: try again, leave this request out, or stop."""

from __future__ import annotations

from typing import Literal

from domainkit.errors import ConfigError, DomainkitError, MachineError, RequestError, first_line

Meaning = Literal["again", "skip", "stop"]
_STOP = frozenset((401, 402, 403, 404))
"""Not signed in, not paid, not allowed, no such model: each further call would fail in the same way."""
_AGAIN = frozenset((408, 409, 425, 429))
_TEMPORARY = ("timeout", "connection", "ratelimit", "unavailable", "overloaded", "toomanyrequests", "internalserver")
"""In the names of providers' errors that have no status."""
LONGEST_WAIT = 60.0
"""Seconds."""
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
    """Seconds before the next attempt: what the provider asks for, else doubled each time."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    try:
        asked = float(headers.get("retry-after")) if headers is not None else 0.0
    except (TypeError, ValueError, AttributeError):
        asked = 0.0
    return min(LONGEST_WAIT, max(asked, first_wait * 2**attempt))


def described(error: BaseException) -> str:
    """RateLimitError: the first line of its message."""
    line = first_line(error)
    line = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"  # some repeat the whole reply
    name = type(error).__name__
    return line if line.startswith(name) or isinstance(error, DomainkitError) else f"{name}: {line}"


def stopping(role: str, name: str, error: Exception) -> DomainkitError:
    """The error that ends the run; what was answered stays on disk."""
    next_step = "correct this, then run the same command again: it continues from the replies that are kept"
    kind = ConfigError if status_of(error) in _STOP or isinstance(error, ConfigError) else MachineError
    return kind(f"the {role} cannot be asked: {described(error)}", where=name, next_step=next_step)
