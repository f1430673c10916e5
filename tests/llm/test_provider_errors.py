"""What an error means does not depend on whose class it is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from domainkit.errors import MachineError, RequestError
from domainkit.llm.provider_errors import Meaning, described, meaning_of, wait_before


class ProviderError(Exception):
    def __init__(self, text: str, status: int | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        if status is not None:
            self.response = SimpleNamespace(status_code=status, headers=headers or {})


class APIConnectionError(Exception):
    """As providers name theirs."""


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (ProviderError("no key", 401), "stop"),
        (ProviderError("no money", 402), "stop"),
        (ProviderError("no such model", 404), "stop"),
        (ProviderError("too long", 400), "skip"),
        (ProviderError("slow down", 429), "again"),
        (ProviderError("overloaded", 529), "again"),
        (ProviderError("down", 503), "again"),
        (APIConnectionError("reset"), "again"),
        (TimeoutError(), "again"),
        (ValueError("odd"), "skip"),
        (RequestError("prompt too long"), "skip"),
        (MachineError("no server answers"), "stop"),
        (ImportError("no module"), "stop"),
    ],
)
def test_meaning(error: Exception, meaning: Meaning) -> None:
    assert meaning_of(error) == meaning


def test_the_provider_says_how_long_to_wait_within_a_minute() -> None:
    assert wait_before(ProviderError("x", 429, {"retry-after": "7"}), 0, 1.0) == 7
    assert wait_before(ProviderError("x", 429, {"retry-after": "3600"}), 0, 1.0) == 60
    assert wait_before(ProviderError("x", 429, {"retry-after": "Wed, 21 Oct"}), 2, 1.0) == 4
    assert wait_before(ValueError(), 10, 1.0) == 60


def test_an_error_is_named_once() -> None:
    assert described(ProviderError("slow down\nrequest id 7")) == "ProviderError: slow down"
    assert described(KeyError("model")) == "KeyError: 'model'"


def test_an_error_that_says_no_more_than_connection_error_has_its_cause() -> None:
    error = APIConnectionError("Connection error.")
    error.__cause__ = OSError("certificate verify failed: self-signed certificate")
    assert described(error) == (
        "APIConnectionError: Connection error (certificate verify failed: self-signed certificate)"
    )
