"""VLLMBackend: prompts by our own template and tokenizer, answers by vLLM's engine in this process.

Tested against a stand-in for vLLM only: no machine with a GPU took part. `tests/laws/test_gpu.py` has the test for one.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from typing import Any, Literal, cast

from domainkit.errors import ConfigError, DomainkitError, RequestError
from domainkit.inference.backend import Completion, Piece, Request
from domainkit.inference.constrained.read_answer import words_only
from domainkit.inference.local import LocalBackend, check_numbers
from domainkit.inference.vllm_backend.answer import VLLMAnswer
from domainkit.inference.vllm_backend.asking import Loras, grammar_of, sampling, scoring
from domainkit.inference.vllm_backend.engine import INVARIANT, Engine, vllm_version
from domainkit.messages import JsonObject, Message
from domainkit.models import DEFAULT_BASE

Quantization = Literal["none", "nf4"]
GUIDANCE = "guidance"
"""vLLM's engine of grammars that reads ours: llguidance."""

log = logging.getLogger("domainkit")


class VLLMBackend:
    """A Backend. The engine is started by the first question; `close` frees its GPU.

    `choice_probabilities` stay empty (use `score`), and an answer that is held to a form begins without reasoning.
    """

    def __init__(
        self,
        base: str = DEFAULT_BASE,
        *,
        revision: str | None = None,
        quantization: Quantization = "none",
        dtype: str = "bfloat16",
        max_rank: int = 64,
        max_adapters: int = 8,
        batch_invariant: bool = True,
        engine: Mapping[str, object] | None = None,
    ) -> None:
        """Nothing is loaded yet.

        `max_rank` is the highest rank of an adapter, `max_adapters` how many share a batch: vLLM fixes both at its
        start. `batch_invariant` makes an answer the same whatever is computed beside it, on the bases and GPUs for
        which vLLM promises that; it costs speed. `engine` are further fields of vLLM's AsyncEngineArgs, such as
        gpu_memory_utilization.
        """
        if quantization not in ("none", "nf4"):
            what = f"quantization={quantization!r}: vLLM loads weights as they are, or in 4 bits (nf4)"
            raise ConfigError(what, where="backend=vllm", next_step="use none or nf4, or backend='local'")
        self.base, self.quantization, self.dtype = base, quantization, dtype
        self.batch_invariant = batch_invariant
        self._max_rank, self._max_adapters, self._more = max_rank, max_adapters, dict(engine or {})
        self._here = LocalBackend(base, revision, "none", "cpu")  # for its prompts: its weights are never loaded
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._loras: Loras | None = None
        self._told_no_budget = False

    def __repr__(self) -> str:
        return f"VLLMBackend({self.base!r})"

    # ---- Backend ----

    def complete(self, requests: Sequence[Request], *, return_errors: bool = False) -> list[Completion]:
        """All answers in order, computed together by vLLM's own batches."""
        if not requests:
            return []
        self.engine()  # where it cannot start, once for all of them
        futures: list[Future[Completion] | Exception] = []
        for request in requests:
            try:
                futures.append(self.submit(request))
            except DomainkitError as e:
                futures.append(e)
        results: list[Completion | BaseException] = []
        try:
            for future in futures:
                error = future if isinstance(future, Exception) else future.exception()
                results.append(error if error is not None else cast("Future[Completion]", future).result())
        except BaseException:  # the caller was interrupted: free the slots
            for future in futures:
                if isinstance(future, Future):
                    future.cancel()
            raise
        failed = next((r for r in results if isinstance(r, BaseException)), None)
        if failed is not None and not return_errors:
            raise failed
        return cast(list[Completion], results)  # with return_errors, exceptions are among them

    def submit(self, request: Request) -> Future[Completion]:
        """The answer as a Future; cancelling it frees its slot."""
        job = self._job(request)
        return self.engine().submit(self._whole(*job))

    def stream(self, request: Request) -> Iterator[Piece]:
        return _Pieces(self, self._job(request))

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str | None = None
    ) -> list[float]:
        """By `prompt_logprobs`: each continuation pays for its whole prompt."""
        engine = self.engine()
        lora = self._lora(adapter)
        prompt = self._here.prompt_ids(Request(tuple(messages), adapter=adapter), without_reasoning=True)
        spelled = [self._here.spelling.spell(text) for text in continuations]
        scores = [engine.submit(self._score(prompt, ids, lora)) for ids in spelled]
        return [found.result() for found in scores]

    def count_tokens(self, messages: Sequence[Message], *, adapter: str | None = None) -> int:
        return self._here.count_tokens(messages, adapter=adapter)

    def token_ids(self, text: str) -> list[int]:
        return self._here.token_ids(text)

    def identity(self, adapter: str | None = None) -> JsonObject:
        facts = self._here.identity(adapter)
        del facts["device"]
        engine = {"backend": "vllm", "vllm": vllm_version(), "dtype": self.dtype}
        invariant = self.batch_invariant or os.environ.get(INVARIANT) == "1"
        flags = {"batch_invariant": invariant, "engine": {k: str(v) for k, v in sorted(self._more.items())}}
        return {**facts, **engine, **flags, "quantization": self.quantization}

    # ---- the engine ----

    def engine(self) -> Engine:
        """The running engine; the first call starts it."""
        with self._lock:
            if self._engine is None:
                self._engine = Engine(self._settings(), batch_invariant=self.batch_invariant)
            return self._engine

    def close(self) -> None:
        """End the engine and free its GPU. The next question starts another."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()
            self._engine = None

    def _settings(self) -> JsonObject:
        source = self._here.source
        if source.path.is_file():
            what = "is a GGUF file, and vLLM reads a folder of safetensors"
            raise ConfigError(what, where=self.base, next_step="name such a folder or a hub id, or use backend='local'")
        if self._here.chat_template.architecture.has_encoder:
            what = "is an encoder-decoder, which vLLM does not serve"
            raise ConfigError(what, where=self.base, next_step="use backend='local'")
        settings: JsonObject = {
            "model": str(source.path),
            "dtype": self.dtype,
            "quantization": "bitsandbytes" if self.quantization == "nf4" else None,
            "enable_lora": True,
            "max_lora_rank": self._max_rank,
            "max_loras": self._max_adapters,
            "generation_config": "vllm",
            "structured_outputs_config": {"backend": GUIDANCE},
        }
        return settings | self._more

    def _lora(self, adapter: str | None) -> Any:
        if adapter is None:
            return None
        with self._lock:
            if self._loras is None:
                self._loras = Loras(self._here.source.fingerprint, self.base, self._max_rank)
        return self._loras.request(adapter)

    # ---- one request ----

    def _job(self, request: Request) -> tuple[Request, list[int], VLLMAnswer, Any, Any]:
        """(request, prompt's ids, answer to fill, vLLM's sampling and adapter). Raises before anything is computed."""
        check_numbers(request)
        self.engine()
        template = self._here.template_of(request.adapter)
        grammar, relaxed = grammar_of(request, lambda: self._here.spelling)
        if grammar is not None and self._grammars() != GUIDANCE:
            what = f"the engine was started with the grammars of '{self._grammars()}', which reads other ones than ours"
            raise RequestError(what, next_step="leave structured_outputs_config out of backend_options['engine']")
        stops = tuple(dict.fromkeys([*self._here.chat_template.stop_token_ids, *template.stop_token_ids]))
        prompt, lora = self._here.prompt_ids(request), self._lora(request.adapter)
        if request.thinking_budget is not None and not self._told_no_budget:
            self._told_no_budget = True
            log.warning("thinking=%d is not used: backend='vllm' has no budget of reasoning", request.thinking_budget)
        thinking = "off" if words_only(request) else template.thinking(request.template_options)
        answer = VLLMAnswer(request, len(prompt), self._here.tokenizer, stops, thinking, relaxed=relaxed)
        return request, prompt, answer, sampling(request, stops, grammar), lora

    def _grammars(self) -> str:
        config = self._more.get("structured_outputs_config", {"backend": GUIDANCE})
        return str(config.get("backend")) if isinstance(config, Mapping) else str(getattr(config, "backend", config))

    async def _whole(
        self, request: Request, prompt: list[int], answer: VLLMAnswer, params: Any, lora: Any
    ) -> Completion:
        async with aclosing(self.engine().outputs(prompt, params, lora, request.timeout)) as outputs:
            async for output in outputs:
                answer.add(output)
                if answer.done:  # by a stop string, perhaps before the engine's end
                    break
        return answer.completion()

    async def _score(self, prompt: list[int], ids: list[int], lora: Any) -> float:
        found = None
        async with aclosing(self.engine().outputs(prompt + ids, scoring(), lora, None)) as outputs:
            async for output in outputs:
                found = output.prompt_logprobs
        if found is None or len(found) != len(prompt) + len(ids):
            raise RequestError("vLLM gave no prompt_logprobs", next_step="use backend='local' for scores")
        return sum((float(step[i].logprob) for step, i in zip(found[len(prompt) :], ids, strict=True)), 0.0)


class _Pieces(Iterator[Piece]):
    """The pieces of one answer. `close`, from any thread, ends its request in the engine."""

    def __init__(self, backend: VLLMBackend, job: tuple[Request, list[int], VLLMAnswer, Any, Any]) -> None:
        self._queue: queue.SimpleQueue[Piece | BaseException | None] = queue.SimpleQueue()
        self._over = False
        self._engine = backend.engine()
        self._future = self._engine.submit(self._fill(*job))

    async def _fill(self, request: Request, prompt: list[int], answer: VLLMAnswer, params: Any, lora: Any) -> None:
        try:
            async with aclosing(self._engine.outputs(prompt, params, lora, request.timeout)) as outputs:
                async for output in outputs:
                    answer.add(output)
                    if answer.done:
                        break
                    if (piece := answer.piece()) is not None:
                        self._queue.put(piece)
            self._queue.put(answer.last_piece())
        except Exception as e:
            self._queue.put(e)
        finally:
            self._queue.put(None)

    def __next__(self) -> Piece:
        found = None if self._over else self._queue.get()
        if isinstance(found, BaseException):
            self._over = True
            raise found
        if found is None:
            self._over = True
            raise StopIteration
        self._over = found.completion is not None
        return found

    def close(self) -> None:
        self._over = True
        self._future.cancel()
        self._queue.put(None)  # for a reader that waits in another thread

    def __del__(self) -> None:
        self.close()
