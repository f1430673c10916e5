"""Errors in OpenAI's form: {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from domainkit.errors import AdapterError, BaseModelError, DomainkitError, MachineError, PromptTooLongError
from domainkit.messages import JsonObject

TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
"""By status; other statuses below 500 are invalid_request_error, those from 500 on server_error."""


class ApiError(Exception):
    """A refusal or failure that a client reads."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        """The field of the body that is wrong, as `messages[0].content`."""
        self.code = code
        self.retry_after = retry_after
        """Seconds after which the same request may succeed."""

    @property
    def body(self) -> JsonObject:
        kind = TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    @property
    def headers(self) -> dict[str, str]:
        """OpenAI's clients repeat every 5xx: what would only be computed again must say that it should not be."""
        if self.retry_after is not None:
            return {"retry-after": str(self.retry_after)}
        if self.status == 401:
            return {"www-authenticate": "Bearer"}
        return {"x-should-retry": "false"} if self.status >= 500 else {}


class ClientGoneError(Exception):
    """The client has closed the connection: nobody reads the answer."""


def as_api_error(error: Exception, *, param: str | None = None) -> ApiError:
    """What a client reads of an error. Paths of this machine, and texts of errors that nobody foresaw, are not."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, TimeoutError):
        return ApiError(
            504, "no whole answer within the server's time for one request; lower max_tokens", code="timeout"
        )
    if isinstance(error, DomainkitError):
        status = 500 if isinstance(error, AdapterError | BaseModelError | MachineError) else 400
        # OpenAI's clients, and LangChain, know a prompt that is too long by this code.
        code = "context_length_exceeded" if isinstance(error, PromptTooLongError) else None
        return ApiError(status, _sentence(error), param=param, code=code)
    return ApiError(500, "the server failed; its log names the error under this answer's x-request-id")


@contextmanager
def about(param: str) -> Iterator[None]:
    """An error inside is the client's, in this field of the body."""
    try:
        yield
    except DomainkitError as e:
        raise ApiError(400, _sentence(e), param=param) from e


def _sentence(error: DomainkitError) -> str:
    return f"{error.what}; {error.next_step}" if error.next_step else error.what
