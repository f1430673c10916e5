"""Transport: JSON over HTTP to one server, with pooled connections, timeouts and retries."""

from __future__ import annotations

import contextlib
import json
import random
import re
import socket
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing

import httpx

from domainkit.errors import DomainkitError, MachineError, RequestError
from domainkit.inference.server.wire import error_text, page_text
from domainkit.messages import JsonObject
from domainkit.retry_after import seconds_asked

URL_VARIABLE = "DOMAINKIT_SERVER_URL"
KEY_VARIABLE = "DOMAINKIT_SERVER_KEY"
MAX_BODY = 64 << 20
"""Most bytes of an answer, unpacked."""
SHORTEST_SECRET = 8
ERROR_SECONDS = 10.0
"""Time for the text of a refusal."""
RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that may pass by themselves."""


class RefusedError(RequestError):
    """A request that the server refuses with an HTTP status. `reason` is what its body says."""

    status = 0
    reason = ""


class FailedError(MachineError):
    """A server that fails with an HTTP status, or refuses the key."""

    status = 0
    reason = ""


class Transport:
    """HTTP to one server, from any number of threads. The key is sent, and never shown."""

    def __init__(self, url: str, key: str | None, *, timeout: float, max_retries: int, connections: int) -> None:
        address = httpx.URL(url)
        # Userinfo and query may hold a secret: they are sent, and never shown.
        self.root = str(address.copy_with(userinfo=b"", query=None, fragment=None)).rstrip("/").removesuffix("/v1")
        self._secrets = [s for s in (key, address.password, *address.params.values()) if s]
        self._timeout = timeout
        self._max_retries = max_retries
        self._client = httpx.Client(
            headers={"authorization": f"Bearer {key}"} if key else {},
            params=address.params,
            auth=(address.username, address.password) if address.userinfo and not key else None,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )
        weakref.finalize(self, self._client.close)

    def close(self) -> None:
        """Close the pooled connections."""
        self._client.close()

    def send(
        self,
        method: str,
        path: str,
        body: JsonObject | None = None,
        *,
        timeout: float | None = None,
        retried: frozenset[int] = RETRIED,
    ) -> JsonObject:
        """One JSON exchange within `timeout` seconds (None: the transport's own timeout). A reply with a status of
        `retried` is asked for again."""
        reply = self.read(method, path, body, timeout=timeout, retried=retried)
        return reply if isinstance(reply, dict) else {"message": reply if isinstance(reply, str) else json.dumps(reply)}

    def read(
        self,
        method: str,
        path: str,
        body: JsonObject | None = None,
        *,
        timeout: float | None = None,
        retried: frozenset[int] = RETRIED,
    ) -> object:
        """As `send`, for an answer that may be any JSON, or plain text: vLLM gives that to some requests."""
        begin = time.monotonic()
        with self._opened(method, path, body, begin, timeout, retried) as response:
            text = b"".join(self._chunks(response, begin, timeout)).decode("utf-8", "replace")
        text = self._without_secrets(text)
        try:
            found: object = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return found

    def events(self, body: JsonObject, begin: float, timeout: float | None) -> Iterator[JsonObject]:
        """The `data:` payloads of a stream (server-sent events), up to [DONE]."""
        with self._opened("POST", "/v1/chat/completions", body, begin, timeout) as response:
            for data in _event_data(self._chunks(response, begin, timeout)):
                if data == "[DONE]":
                    return
                try:
                    payload = json.loads(self._without_secrets(data))
                except (ValueError, RecursionError) as e:
                    raise self._broken(e) from e
                yield payload if isinstance(payload, dict) else {"message": str(payload)[:200]}

    def _chunks(self, response: httpx.Response, begin: float, timeout: float | None) -> Iterator[bytes]:
        """The body as it comes, ended at the time limit, however slowly it drips, and at MAX_BODY bytes."""
        seconds = self._timeout if timeout is None else timeout
        end, size = begin + seconds, 0
        watch = threading.Timer(max(0.0, end - time.monotonic()), _end_reading, [response])
        watch.daemon = True
        watch.start()
        try:
            for chunk in response.iter_bytes():
                if time.monotonic() > end:
                    raise self._late(timeout)
                size += len(chunk)
                if size > MAX_BODY:
                    raise self._broken(f"it is larger than {MAX_BODY >> 20} MiB")
                yield chunk
        except httpx.HTTPError as e:
            late = isinstance(e, httpx.TimeoutException) or time.monotonic() >= end
            raise (self._late(timeout) if late else self._broken(e)) from e
        finally:
            watch.cancel()
        if time.monotonic() >= end:  # a body without a length ends like a whole one
            raise self._late(timeout)

    def _opened(
        self,
        method: str,
        path: str,
        body: JsonObject | None,
        begin: float,
        timeout: float | None,
        retried: frozenset[int] = RETRIED,
    ) -> closing[httpx.Response]:
        """The successful response, its body not read yet. Temporary failures are repeated, others are raised."""
        for attempt in range(self._max_retries + 1):
            seconds_left = self._timeout if timeout is None else timeout - (time.monotonic() - begin)
            if seconds_left <= 0:
                raise self._late(timeout)
            last = attempt == self._max_retries
            limit = httpx.Timeout(seconds_left, connect=min(10.0, seconds_left))
            try:
                request = self._client.build_request(method, self.root + path, json=body, timeout=limit)
                response = self._send(request, seconds_left)
            except (httpx.ReadTimeout, httpx.WriteTimeout) as e:
                raise self._late(timeout) from e  # not repeated: the server may still be computing the first attempt
            except httpx.HTTPError as e:
                if last:
                    raise self._unreachable(e) from e
                self._wait(attempt, None, seconds_left)
                continue
            if response.is_success:
                return closing(response)
            with closing(response):
                message = self._error_message(response)
            if response.is_redirect:  # not followed: the key would go with it
                message = f"it sends its callers to {self._clean(response.headers['location'])[:300]}"
            final = response.headers.get("x-should-retry") == "false"  # OpenAI's header: it would fail again
            if response.status_code not in retried or last or final:
                raise self._refused(response.status_code, message, body, attempt + 1)
            self._wait(attempt, response.headers.get("retry-after"), seconds_left)
        raise AssertionError("unreachable")

    def _send(self, request: httpx.Request, seconds: float) -> httpx.Response:
        """The response, its body not read yet. httpx limits each read alone: a server that drips its headers would hold
        the caller for hours, so another thread waits for them."""
        head: Future[httpx.Response] = Future()

        def work() -> None:
            try:
                head.set_result(self._client.send(request, stream=True))
            except BaseException as e:
                head.set_exception(e)

        threading.Thread(target=work, daemon=True, name="domainkit-http").start()
        try:
            return head.result(seconds)
        except BaseException as e:  # also Ctrl-C: the thread is left alone
            if head.done():
                raise
            head.add_done_callback(_close_late)
            raise httpx.ReadTimeout("the headers came too slowly") if isinstance(e, TimeoutError) else e from None

    def _wait(self, attempt: int, retry_after: str | None, seconds_left: float) -> None:
        """Before the next attempt: as long as the server says, else 0.25 s doubling to 8 s, less up to half at
        random."""
        asked = seconds_asked(retry_after)
        pause = min(8.0, 0.25 * 2**attempt) * random.uniform(0.5, 1.0) if asked is None else asked
        time.sleep(min(pause, seconds_left))

    def _error_message(self, response: httpx.Response) -> str:
        try:
            now = time.monotonic()
            text = b"".join(self._chunks(response, now, ERROR_SECONDS)).decode("utf-8", "replace")
        except DomainkitError:
            return ""
        try:
            return self._clean(error_text(json.loads(text)))
        except (ValueError, RecursionError):
            return self._clean(page_text(text))

    def _refused(self, status: int, message: str, body: JsonObject | None, attempts: int) -> DomainkitError:
        error: RefusedError | FailedError
        if status == 401 or (status == 403 and not message):
            error = FailedError(
                f"the server refuses the key (HTTP {status})",
                where=self.root,
                next_step=f"pass api_key= or set {KEY_VARIABLE} to the key the server was started with",
            )
        elif status >= 500 or status in RETRIED:
            error = FailedError(
                f"the server failed{f' {attempts} times' if attempts > 1 else ''} (HTTP {status}): {message}",
                where=self.root,
                next_step="look at its log; if it is overloaded, wait or lower `connections`",
            )
        else:
            model = (body or {}).get("model")
            step = "give that address" if 300 <= status < 400 else "change the request as the server says"
            if status == 404 and model:
                step = f"check the name '{model}' against models()"
            what = f"the server refuses the request (HTTP {status}): {message}"
            error = RefusedError(what, where=self.root, next_step=step)
        error.status, error.reason = status, message
        return error

    def _unreachable(self, error: httpx.HTTPError) -> MachineError:
        said = self._clean(error) or type(error).__name__
        step = f"start it (serve_command() prints the command), or set {URL_VARIABLE} to its address"
        if "CERTIFICATE_VERIFY_FAILED" in said:
            step = "if you trust it, set SSL_CERT_FILE to the file of its certificate, or of who signed it"
        return MachineError(f"no answer from the server: {said}", where=self.root, next_step=step)

    def _late(self, timeout: float | None) -> RequestError:
        seconds = self._timeout if timeout is None else timeout
        return RequestError(
            f"no whole answer within {seconds:g} s", where=self.root, next_step="allow more time or fewer max_tokens"
        )

    def _broken(self, error: object) -> RequestError:
        return RequestError(
            f"the answer ended too early: {self._clean(error)}", where=self.root, next_step="call it again"
        )

    def _clean(self, text: object) -> str:
        """`text` without the secrets, which the server or the library may have repeated."""
        return _masked(str(text), self._secrets)

    def _without_secrets(self, body: str) -> str:
        """An answer without the secrets. A placeholder such as "EMPTY" is none, and may be a word of the answer."""
        return _masked(body, [s for s in self._secrets if len(s) >= SHORTEST_SECRET])


def _masked(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        for spelling in (secret, json.dumps(secret)[1:-1], json.dumps(secret).replace("/", "\\/")[1:-1]):
            text = text.replace(spelling, "***")
    return text


def _close_late(head: Future[httpx.Response]) -> None:
    if head.exception() is None:
        head.result().close()


def _end_reading(response: httpx.Response) -> None:
    """From another thread: the read that waits returns at once."""
    stream = response.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream is not None else None
    if connection is not None:
        with contextlib.suppress(OSError):  # it is closed already
            connection.shutdown(socket.SHUT_RDWR)


def _event_data(chunks: Iterable[bytes]) -> Iterator[str]:
    """The data of server-sent events. Only CR and LF end a line; other line separators are text."""
    waiting = b""
    data: list[str] = []
    for chunk in _with_end(chunks):
        *lines, waiting = re.split(rb"\r\n|\n|\r(?!\Z)", waiting + chunk)
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[5:].strip().decode("utf-8", "replace"))
            elif not line and data:
                yield "\n".join(data)
                data = []


def _with_end(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """`chunks`, and the blank line that some servers leave out after the last event."""
    yield from chunks
    yield b"\n\n"
