"""Transport: JSON over HTTP to one server, with pooled connections, timeouts and retries."""

from __future__ import annotations

import json
import random
import time
import weakref
from collections.abc import Iterator
from contextlib import closing

import httpx

from domainkit.errors import DomainkitError, MachineError, RequestError
from domainkit.inference.server.wire import error_text
from domainkit.messages import JsonObject

URL_VARIABLE = "DOMAINKIT_SERVER_URL"
KEY_VARIABLE = "DOMAINKIT_SERVER_KEY"
RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that may pass by themselves."""


class Transport:
    """HTTP to one server, from any number of threads. The key is sent, and never shown."""

    def __init__(self, url: str, key: str | None, *, timeout: float, max_retries: int, connections: int) -> None:
        address = httpx.URL(url)
        self.root = str(address.copy_with(userinfo=b"")).rstrip("/").removesuffix("/v1")
        self._key = key
        self._timeout = timeout
        self._max_retries = max_retries
        self._client = httpx.Client(
            headers={"authorization": f"Bearer {key}"} if key else {},
            auth=(address.username, address.password) if address.userinfo and not key else None,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )
        weakref.finalize(self, self._client.close)

    def close(self) -> None:
        """Close the pooled connections."""
        self._client.close()

    def send(
        self, method: str, path: str, body: JsonObject | None = None, *, timeout: float | None = None
    ) -> JsonObject:
        """One JSON exchange within `timeout` seconds (None: the transport's own timeout)."""
        with self._opened(method, path, body, time.monotonic(), timeout) as response:
            try:
                text = response.read().decode("utf-8", "replace")
            except httpx.TimeoutException as e:
                raise self._late(timeout) from e
            except httpx.HTTPError as e:
                raise self._broken(e) from e
        try:
            reply = json.loads(text)
        except ValueError:
            return {"message": text}  # vLLM answers some requests with plain text
        return reply if isinstance(reply, dict) else {"message": text}

    def events(self, body: JsonObject, begin: float, timeout: float | None) -> Iterator[JsonObject]:
        """The `data:` payloads of a stream (server-sent events), up to [DONE]."""
        with self._opened("POST", "/v1/chat/completions", body, begin, timeout) as response:
            try:
                for line in response.iter_lines():
                    if timeout is not None and time.monotonic() - begin > timeout:
                        raise self._late(timeout)
                    data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
                    if data == "[DONE]":
                        return
                    if data:
                        yield json.loads(data)
            except httpx.TimeoutException as e:
                raise self._late(timeout) from e
            except (httpx.HTTPError, ValueError) as e:
                raise self._broken(e) from e

    def _opened(
        self, method: str, path: str, body: JsonObject | None, begin: float, timeout: float | None
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
                response = self._client.send(request, stream=True)
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
            if response.status_code not in RETRIED or last:
                raise self._refused(response.status_code, message, body)
            self._wait(attempt, response.headers.get("retry-after"), seconds_left)
        raise AssertionError("unreachable")

    def _wait(self, attempt: int, retry_after: str | None, seconds_left: float) -> None:
        """Before the next attempt: as long as the server says, else 0.25 s doubling to 8 s, less up to half at
        random."""
        pause = min(8.0, 0.25 * 2**attempt) * random.uniform(0.5, 1.0)
        if retry_after is not None and retry_after.replace(".", "", 1).isdigit():
            pause = min(float(retry_after), 60.0)
        time.sleep(min(pause, seconds_left))

    def _error_message(self, response: httpx.Response) -> str:
        try:
            text = response.read().decode("utf-8", "replace")
        except httpx.HTTPError:
            return ""
        try:
            return self._clean(error_text(json.loads(text)))
        except ValueError:
            return self._clean(text[:500])

    def _refused(self, status: int, message: str, body: JsonObject | None) -> DomainkitError:
        if status in (401, 403):
            return MachineError(
                f"the server refuses the key (HTTP {status})",
                where=self.root,
                next_step=f"pass api_key= or set {KEY_VARIABLE} to the key the server was started with",
            )
        if status >= 500 or status in RETRIED:
            return MachineError(
                f"the server failed {self._max_retries + 1} times (HTTP {status}): {message}",
                where=self.root,
                next_step="look at its log; if it is overloaded, wait or lower `connections`",
            )
        model = (body or {}).get("model")
        not_found = status == 404 and model
        step = f"check the name '{model}' against models()" if not_found else "change the request as the server says"
        return RequestError(
            f"the server refuses the request (HTTP {status}): {message}", where=self.root, next_step=step
        )

    def _unreachable(self, error: httpx.HTTPError) -> MachineError:
        return MachineError(
            f"no answer from the server: {self._clean(error) or type(error).__name__}",
            where=self.root,
            next_step=f"start it (serve_command() prints the command), or set {URL_VARIABLE} to its address",
        )

    def _late(self, timeout: float | None) -> RequestError:
        seconds = self._timeout if timeout is None else timeout
        return RequestError(
            f"no whole answer within {seconds:g} s", where=self.root, next_step="allow more time or fewer max_tokens"
        )

    def _broken(self, error: Exception) -> RequestError:
        return RequestError(
            f"the answer ended too early: {self._clean(error)}", where=self.root, next_step="call it again"
        )

    def _clean(self, text: object) -> str:
        """`text` without the key, which the server or the library may have repeated."""
        return str(text).replace(self._key, "***") if self._key else str(text)
