"""Local backend: base and adapters in this process, one engine for all who ask for the same base."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from domainkit.adapters.folder import split_task
from domainkit.errors import PromptTooLongError, RequestError
from domainkit.inference.adapters.pool import read_adapter
from domainkit.inference.backend import Completion, Piece, Request
from domainkit.inference.constrained.constraint import compile_constraint, is_constrained
from domainkit.inference.constrained.read_answer import words_only
from domainkit.inference.constrained.token_spelling import Spelling
from domainkit.inference.engine.acceleration import ALL_ON, Acceleration
from domainkit.inference.engine.result_stream import Deliver, ResultStream
from domainkit.inference.engine.scheduler import Scheduler
from domainkit.inference.engine.sequences.reasoning import Answering
from domainkit.inference.engine.sequences.sequence import ScoreSequence, TokenScoreSequence
from domainkit.inference.engine.sequences.sequence import Sequence as EngineSequence
from domainkit.messages import JsonObject, Message
from domainkit.models import DEFAULT_BASE, Quantization
from domainkit.models.gguf import model_folder
from domainkit.models.load import load_base, plan_quantization
from domainkit.models.memory import collect_freed_memory
from domainkit.models.source import BaseSource, resolve_base
from domainkit.models.templates.chat_template import ChatTemplate
from domainkit.models.tokenizer import adapter_chat_template, load_chat_template, template_sha256
from domainkit.threads import run_in_short_lived_thread

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger("domainkit")

SCORED_AT_ONCE = 256
"""Tokens of a prompt whose logits are held at once."""
_NO_ROOM = "max_tokens leaves no room for it, or no single token closes it"
"""Why there is no reasoning, or none that can be closed."""

_backends: dict[tuple[str, str | None, str, str], LocalBackend] = {}
_lock = threading.Lock()


def local_backend(
    base: str = DEFAULT_BASE,
    *,
    revision: str | None = None,
    quantization: Quantization = "auto",
    device: str = "auto",
) -> LocalBackend:
    """The backend of this base, shared by all callers in the process with the same arguments. Nothing is loaded yet."""
    key = (base, revision, quantization, device)
    with _lock:
        if key not in _backends:
            _backends[key] = LocalBackend(*key)
        return _backends[key]


def _reset_after_fork() -> None:
    """In a forked child the model's thread does not exist, and locks may be held by threads that do not exist."""
    global _lock
    _lock = threading.Lock()
    _backends.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


class LocalBackend:
    """A Backend with a base and its adapters. Tokenizer and weights are loaded when they are first needed."""

    def __init__(
        self,
        base: str,
        revision: str | None,
        quantization: Quantization,
        device: str,
        *,
        acceleration: Acceleration = ALL_ON,
    ) -> None:
        self.base = base
        self.revision = revision
        self.quantization = quantization
        self.device = device
        self._acceleration = acceleration
        self._loading = threading.RLock()
        self._source: BaseSource | None = None
        self._chat_template: ChatTemplate | None = None
        self._adapter_templates: dict[str, ChatTemplate] = {}  # by the hash of their files
        self._spelling: Spelling | None = None
        self._engine: Scheduler | None = None
        self._stop_ids: tuple[int, ...] = ()

    # ---- Backend ----

    def complete(self, requests: Sequence[Request], *, return_errors: bool = False) -> list[Completion]:
        self._check_thread()
        streams: list[ResultStream[Completion]] = [ResultStream() for _ in requests]
        sequences: list[EngineSequence] = []
        for request, stream in zip(requests, streams, strict=True):
            try:
                sequences.append(self._sequence(request, stream))
            except Exception as e:
                stream.fail(e)
        if sequences:
            self.engine().submit(sequences)
        results: list[Completion | BaseException] = []
        try:
            for stream in streams:
                error = stream.future.exception()
                results.append(stream.future.result() if error is None else error)
        except BaseException:  # the caller was interrupted: free the slots
            for stream in streams:
                stream.cancel()
            raise
        if not return_errors:
            for result in results:
                if isinstance(result, BaseException):
                    raise result
        return cast(list[Completion], results)  # with return_errors, exceptions are among them

    def submit(
        self, request: Request, *, prompt: Sequence[int] | None = None, deliver: Deliver | None = None
    ) -> Future[Completion]:
        """The answer as a Future; cancelling it frees its slot. Its done-callbacks run on the model's thread, where
        only `submit` may be called.

        `deliver` gets each piece of the answer, or the error that ends it, on the model's thread. A request without
        messages goes on from the token ids `prompt`.
        """
        result = ResultStream[Completion](deliver=deliver)
        self.engine().submit([self._sequence(request, result, prompt)])
        return result.future

    def stream(self, request: Request) -> Iterator[Piece]:
        self._check_thread()
        result = ResultStream[Completion](stream=True)
        self.engine().submit([self._sequence(request, result)])
        return PieceStream(result)

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str | None = None
    ) -> list[float]:
        self._check_thread()
        engine, prompt = (
            self.engine(),
            self.prompt_ids(Request(tuple(messages), adapter=adapter), without_reasoning=True),
        )
        streams: list[ResultStream[float]] = [ResultStream() for _ in continuations]
        sequences: list[EngineSequence] = []
        for text, stream in zip(continuations, streams, strict=True):
            ids = self.spelling.spell(text)
            self._check_length(len(prompt) + len(ids), engine)
            sequences.append(ScoreSequence(prompt, ids, adapter, stream))
        engine.submit(sequences)
        return [stream.future.result() for stream in streams]

    def score_tokens(self, ids: Sequence[int], *, adapter: str | None = None) -> list[float]:
        """Natural-log probability of each token after those before it; the first, which has none before, is left out.

        The tokens are as given: no template is put around them.
        """
        self._check_thread()
        engine, found = self.engine(), list[float]()
        ids = self.checked_ids(ids)
        self._check_length(len(ids), engine)
        # In parts, since the logits of a whole prompt would take hundreds of megabytes. The engine keeps the prefix.
        for start in range(1, len(ids), SCORED_AT_ONCE):
            stream = ResultStream[list[float]]()
            engine.submit([TokenScoreSequence(ids[:start], ids[start : start + SCORED_AT_ONCE], adapter, stream)])
            found += stream.future.result()
        return found

    def count_tokens(self, messages: Sequence[Message], *, adapter: str | None = None) -> int:
        return len(self.prompt_ids(Request(tuple(messages), adapter=adapter)))

    def token_ids(self, text: str) -> list[int]:
        return self.chat_template.encode_text(text)

    def identity(self, adapter: str | None = None) -> JsonObject:
        identity: JsonObject = {
            "base": self.source.name,
            "base_fingerprint": self.source.fingerprint,
            "revision": self.source.revision,
            "quantization": self.resolved_quantization(),
            "device": self.device,
            # A GGUF's fingerprint covers its template.
            "template_sha256": None if self.source.path.is_file() else template_sha256(self.source.path),
            "adapter": None,
        }
        if adapter is not None:
            loaded, name = read_adapter(adapter)
            identity |= {"adapter": name, "adapter_sha256": loaded.weights_sha256}
            identity["template_sha256"] = template_sha256(loaded.folder) or identity["template_sha256"]
        return identity

    def resolved_quantization(self) -> str:
        """What "auto" became. It is decided once, by the memory that is free then: a cache key must name one set of
        weights."""
        with self._loading:
            if self.quantization == "auto":
                self.quantization = plan_quantization(self.base, revision=self.revision, device=self.device)
            return self.quantization

    # ---- what is loaded on first use ----

    @property
    def source(self) -> BaseSource:
        if self._source is None:
            self._source = resolve_base(self.base, self.revision)
        return self._source

    @property
    def chat_template(self) -> ChatTemplate:
        with self._loading:
            if self._chat_template is None:
                self._chat_template, _ = load_chat_template(model_folder(self.source))
            return self._chat_template

    def template_of(self, adapter: str | None) -> ChatTemplate:
        """The chat template of an adapter's folder, if it brings one; else the base's."""
        folder = None if adapter is None else Path(split_task(adapter)[0])
        key = None if folder is None else template_sha256(folder)
        if folder is None or key is None:
            return self.chat_template
        with self._loading:
            if key not in self._adapter_templates:
                self._adapter_templates[key] = adapter_chat_template(folder, self.chat_template)
            return self._adapter_templates[key]

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self.chat_template.tokenizer

    @property
    def spelling(self) -> Spelling:
        with self._loading:
            if self._spelling is None:
                self._spelling = Spelling(self.tokenizer, self.chat_template.traits.text_before_words)
            return self._spelling

    def engine(self) -> Scheduler:
        """The running engine; the first call loads the base."""
        with self._loading:
            if self._engine is None:
                self._engine = run_in_short_lived_thread(self._start)
            return self._engine

    def _start(self) -> Scheduler:
        loaded = load_base(
            self.base, revision=self.revision, quantization=self.quantization, device=self.device, purpose="infer"
        )
        self.quantization = loaded.quantization
        self._chat_template = self._chat_template or loaded.chat_template
        self._stop_ids = loaded.stop_token_ids
        return Scheduler(loaded, self.source.fingerprint, self._acceleration)

    def close(self) -> None:
        """End the engine and free its memory. The next request loads the base again."""
        with self._loading:
            if self._engine is not None:
                self._engine.close()
            self._engine = None
        collect_freed_memory()

    def _check_thread(self) -> None:
        if self._engine is not None and self._engine.is_here:
            raise RequestError(
                "called on the model's own thread (a Future's done-callbacks run there), which would wait for itself",
                next_step="call submit there, or make the call from another thread",
            )

    # ---- requests to the engine's sequences ----

    def _sequence(
        self, request: Request, stream: ResultStream[Completion], given: Sequence[int] | None = None
    ) -> EngineSequence:
        engine = self.engine()
        check_numbers(request)
        if request.adapter is not None:
            read_adapter(request.adapter)  # raise its errors in the caller's thread
        prompt = self.prompt_ids(request) if given is None else self.checked_ids(given)
        self._check_length(len(prompt) + 1, engine)
        template, stops = self.template_of(request.adapter), self._stop_ids
        if template is not self.chat_template:
            stops = tuple(dict.fromkeys([*stops, *template.stop_token_ids]))
        constraint = None
        if is_constrained(request) and not request.choices:
            constraint = compile_constraint(request, self.spelling, width=engine.width, ends=stops)
        spelling = self.spelling if request.choices else None
        thinking = template.thinking(request.template_options)
        answering = Answering(self.tokenizer, spelling, stops, constraint, engine.context, engine.submit, stream)
        budgeted = thinking != "off" and given is None and request.thinking_budget is not None
        if not words_only(request) and not budgeted:
            return answering.sequence(request, prompt, thinking)
        if thinking != "off" and given is None:
            first = template.encode_reasoning_prompt(
                request.messages, request.tools, request.tool_choice, request.template_options
            )
            if first is not None and (sequence := answering.after_reasoning(request, first)) is not None:
                return sequence
            if not words_only(request):
                log.warning("%s: thinking=%d is not used: %s", self.base, request.thinking_budget, _NO_ROOM)
                return answering.sequence(request, prompt, thinking)
            _tell_no_reasoning(self.base)
        sequence = answering.sequence(request, prompt)
        self._check_length(sequence.most_tokens if request.choices else 0, engine)
        return sequence

    def prompt_ids(self, request: Request, *, without_reasoning: bool = False) -> list[int]:
        """All tokens before the answer's first one. For an encoder-decoder the last is the decoder's opening token."""
        if not request.messages:
            raise RequestError("the request has no messages", next_step="give at least the user's turn")
        template = self.template_of(request.adapter)
        ids = template.encode_prompt(
            request.messages,
            request.tools,
            request.tool_choice,
            request.template_options,
            words_only=without_reasoning or words_only(request),
        )
        return template.architecture.model_prompt(ids)

    def checked_ids(self, ids: Sequence[int]) -> list[int]:
        """The ids of a prompt. Raises RequestError for none, and for one that the base does not have."""
        width = self.engine().width
        wrong = next((i for i in ids if not 0 <= i < width), None)
        if wrong is not None or not ids:
            what = "the prompt is empty" if wrong is None else f"{wrong} is not a token id of {self.base}"
            raise RequestError(what, next_step=f"give ids from 0 to {width - 1}, by this base's tokenizer")
        return list(ids)

    def _check_length(self, tokens: int, engine: Scheduler) -> None:
        if tokens > engine.context:
            raise PromptTooLongError(
                f"the prompt and the shortest answer need {tokens} tokens; {self.base} reads at most {engine.context}",
                next_step="shorten the prompt: use fewer passages or examples, or leave out earlier turns",
            )


class PieceStream(Iterator[Piece]):
    """The pieces of one answer. `close`, from any thread, frees its slot."""

    def __init__(self, stream: ResultStream[Completion]) -> None:
        self._stream = stream
        self._over = False

    def __next__(self) -> Piece:
        piece = None if self._over else self._stream.receive()
        if piece is None:
            raise StopIteration
        self._over = piece.completion is not None
        return piece

    def close(self) -> None:
        self._over = True
        self._stream.cancel()

    def __del__(self) -> None:
        self.close()


@lru_cache(maxsize=16)
def _tell_no_reasoning(base: str) -> None:
    log.warning("%s: an answer that is held to a form begins without reasoning: %s", base, _NO_ROOM)


def check_numbers(request: Request) -> None:
    """Raises RequestError for a number outside its range."""
    rules = {
        "max_tokens": (request.max_tokens >= 1, "at least 1"),
        "temperature": (request.temperature >= 0, "0 or more"),
        "top_p": (0 < request.top_p <= 1, "above 0 and at most 1"),
        "timeout": (request.timeout is None or request.timeout > 0, "above 0, or None"),
    }
    for name, (good, rule) in rules.items():
        if not good:
            raise RequestError(f"{name}={getattr(request, name)!r} must be {rule}", next_step=f"set {name} to {rule}")
