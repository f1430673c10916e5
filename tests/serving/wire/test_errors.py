"""What a client is told of an error, and whether it should ask again."""

from __future__ import annotations

import pytest

from domainkit.errors import AdapterError, ConfigError, MachineError, PromptTooLongError, RequestError
from domainkit.serving.wire.errors import ApiError, about, as_api_error


def test_errors_tell_the_next_step_and_no_path() -> None:
    told = as_api_error(RequestError("too long", where="/srv/base", next_step="shorten it"))
    assert (told.status, told.message, told.headers) == (400, "too long; shorten it", {})
    assert told.code is None
    assert as_api_error(PromptTooLongError("has 9000 tokens")).code == "context_length_exceeded"
    for error in (AdapterError("is damaged", where="/srv/adapter"), MachineError("no memory")):
        told = as_api_error(error)
        assert (told.status, told.body["error"]["type"]) == (500, "server_error")
        assert told.headers == {"x-should-retry": "false"}
        assert "/srv" not in str(told.body)
    assert "secret" not in str(as_api_error(ValueError("a secret")).body)
    assert as_api_error(TimeoutError()).status == 504


def test_only_what_passes_by_itself_is_asked_again() -> None:
    assert ApiError(429, "full", retry_after=2).headers == {"retry-after": "2"}
    assert ApiError(503, "stopping", retry_after=2).headers == {"retry-after": "2"}
    assert ApiError(401, "no key").headers == {"www-authenticate": "Bearer"}


def test_an_error_names_the_field_it_is_about() -> None:
    with pytest.raises(ApiError, match="no such tool; look") as caught, about("tools"):
        raise ConfigError("no such tool", next_step="look")
    assert (caught.value.status, caught.value.param) == (400, "tools")
