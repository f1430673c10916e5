"""The requests of the soak: each is answered alone and together with other requests, and the answers are compared."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from typing import Any

from domainkit.errors import AdapterError, RequestError
from domainkit.inference.backend import Completion, Request
from domainkit.inference.local import LocalBackend
from domainkit.messages import Message

WORDS = [
    "bees",
    "hive",
    "honey",
    "queen",
    "swarm",
    "frost",
    "jar",
    "invoice",
    "keeper",
    "lid",
    "smoke",
    "wax",
    "visit",
    "garden",
    "theft",
    "Müller",
    "東京",
    "🐝",
    "<|im_end|>",
]
SHARED = ("Read this first. " + "The keeper calls on Tuesdays and brings the smoker. " * 6, "You answer in one word.")
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "name": {"type": "string"}},
    "required": ["n", "name"],
}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": SCHEMA}}
BAD_SCHEMA = {"type": "object", "properties": {"n": {"type": "no such type"}}}
LABELS = ("card lost", "card stolen", "card", "something else")
TIMEOUT = 0.02


@dataclass
class Job:
    """One request of a kind. `alone` is its answer without other requests, or None if it must fail."""

    kind: str
    request: Request
    alone: Any = None


# ---- the jobs


def make_jobs(n: int, adapters: Sequence[str], seed: int, longest: int = 48, context: int = 2048) -> list[Job]:
    """Random requests of every kind. About one in eight must fail."""
    rng = random.Random(seed)
    kinds = rng.choices(list(KINDS), list(KINDS.values()), k=n)
    return [Job(kind, _request(kind, rng, adapters, longest, context)) for kind in kinds]


KINDS = {
    "plain": 6,
    "stop": 3,
    "sampled": 3,
    "logprobs": 1,
    "choices": 3,
    "schema": 3,
    "regex": 1,
    "tool": 1,
    "score": 1,
    "stream": 3,
    "stream closed": 2,
    "cancelled": 2,
    "too long": 1,
    "bad schema": 1,
    "missing adapter": 1,
    "timeout": 1,
    "no tokens": 1,
}
"""Relative frequency of each kind."""


def _request(kind: str, rng: random.Random, adapters: Sequence[str], longest: int, context: int) -> Request:
    words = " ".join(rng.choices(WORDS, k=rng.choice((1, 3, 8, 20, 60))))
    shared = rng.choice((None, *SHARED))
    turns = ([Message("system", shared)] if shared else []) + [Message("user", f"{kind} {rng.randrange(40)}: {words}")]
    plain = Request(tuple(turns), adapter=rng.choice((None, *adapters)), max_tokens=rng.randint(1, longest))
    special: dict[str, dict[str, Any]] = {
        "stop": {"stop": tuple(rng.sample(["a", "e ", "the", "\n", ".", "🐝"], k=2))},
        "sampled": {"temperature": rng.choice((0.7, 1.5)), "top_p": rng.choice((0.9, 1.0)), "seed": rng.randrange(9)},
        "logprobs": {"logprobs": True},
        "choices": {"choices": LABELS},
        "schema": {"json_schema": SCHEMA, "max_tokens": max(40, longest)},
        "regex": {"regex": "[a-d]{2,6}[0-9]"},
        "tool": {"tools": (TOOL,), "tool_choice": "any", "max_tokens": max(90, longest)},
        "stream closed": {"max_tokens": 4 * longest},
        "cancelled": {"max_tokens": 4 * longest},
        "too long": {"messages": (Message("user", "long " * context),)},
        "bad schema": {"json_schema": BAD_SCHEMA},
        "missing adapter": {"adapter": "no/such/adapter"},
        "timeout": {"max_tokens": context // 2, "timeout": TIMEOUT, "regex": "[a-z]{1000,}"},
        "no tokens": {"max_tokens": 0},
    }
    return replace(plain, **special.get(kind, {}))


FAILS: dict[str, tuple[type[Exception], str]] = {
    "too long": (RequestError, "reads at most"),
    "bad schema": (RequestError, "schema"),
    "missing adapter": (AdapterError, "no such adapter folder"),
    "timeout": (RequestError, "no answer within the timeout"),
    "no tokens": (RequestError, "max_tokens=0"),
}
"""The exception of each kind that must fail, and a part of its message."""


def stable_fields(c: Completion) -> tuple[Any, ...]:
    """The fields that other requests must not change. Ids of calls, seconds and probabilities may differ."""
    calls = [(x.name, x.arguments) for x in c.tool_calls]
    return c.text, c.finish_reason, c.prompt_tokens, c.completion_tokens, calls, [t.token for t in c.logprobs]


def answer_alone(backend: LocalBackend, jobs: Sequence[Job]) -> None:
    """Set `alone` of each job, with an empty prefix cache."""
    for job in jobs:
        backend.engine().prefixes.clear()
        if job.kind == "score":
            job.alone = backend.score(job.request.messages, LABELS, adapter=job.request.adapter)
        elif job.kind not in FAILS:
            job.alone = backend.complete([job.request])[0]


# ---- asking


def ask(backend: LocalBackend, job: Job, pause: float) -> str | None:
    """Send the job while other jobs run. Returns the error, or None."""
    if job.kind in FAILS:
        return _must_fail(backend, job)
    ways: dict[str, Callable[[], str | None]] = {
        "score": lambda: _scores(backend, job),
        "stream": lambda: _stream(backend, job, None),
        "stream closed": lambda: _stream(backend, job, 1 + int(pause * 100)),
        "cancelled": lambda: _cancel(backend, job, pause),
    }
    if job.kind in ways:
        return ways[job.kind]()
    found = stable_fields(backend.complete([job.request])[0])
    return None if found == stable_fields(job.alone) else f"{found[:2]!r} instead of {stable_fields(job.alone)[:2]!r}"


def _must_fail(backend: LocalBackend, job: Job) -> str | None:
    kind, words = FAILS[job.kind]
    try:
        backend.complete([job.request])
    except kind as e:
        return None if words in str(e) else f"another text: {e}"
    except Exception as e:
        return f"another exception: {type(e).__name__}: {e}"
    return "no exception"


def _scores(backend: LocalBackend, job: Job) -> str | None:
    found = backend.score(job.request.messages, LABELS, adapter=job.request.adapter)
    far = max(abs(a - b) for a, b in zip(found, job.alone, strict=True))
    return None if far < 1e-2 else f"scores differ by {far:g}"


def _stream(backend: LocalBackend, job: Job, pieces: int | None) -> str | None:
    """Read the whole stream, or close it after `pieces` pieces."""
    stream: Any = backend.stream(job.request)
    text = ""
    for i, piece in enumerate(stream):
        text += piece.text
        if pieces is not None and i + 1 >= pieces:
            stream.close()
    fits = text == job.alone.text if pieces is None else job.alone.text.startswith(text)
    return None if fits else f"streamed {text!r} of {job.alone.text!r}"


def _cancel(backend: LocalBackend, job: Job, pause: float) -> str | None:
    future = backend.submit(job.request)
    time.sleep(pause)
    future.cancel()
    try:
        found = future.result(timeout=60)
    except CancelledError:
        return None
    return None if stable_fields(found) == stable_fields(job.alone) else f"{found.text!r} instead of {job.alone.text!r}"
