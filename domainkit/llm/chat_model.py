"""DomainLLM: a base with any number of adapters as a LangChain chat model."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.runnables import Runnable
from langchain_core.runnables.configurable import RunnableConfigurableFields
from langchain_core.runnables.utils import AnyConfigurableField
from pydantic import ConfigDict

from domainkit.inference import BACKENDS
from domainkit.inference.backend import Backend, Piece, Request
from domainkit.llm.adapter_binding import (
    MAX_CONCURRENCY,
    BatchConfig,
    Bindable,
    Bound,
    ConfigurableLLM,
    batch_configs,
)
from domainkit.llm.calls import Tool, make_request, openai_tools, read_options, request_tools
from domainkit.llm.messages import to_backend, to_chunk, to_result
from domainkit.llm.settings import Settings, base_settings, find_adapter, revealed
from domainkit.llm.structured_output import Schema, StructuredAnswer
from domainkit.messages import JsonObject
from domainkit.models import DEFAULT_BASE


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    """Threads in which async calls wait. asyncio's own pool has too few to fill a batch."""
    return ThreadPoolExecutor(MAX_CONCURRENCY, thread_name_prefix="domainkit-async")


if hasattr(os, "register_at_fork"):  # a forked child has the pool but not its threads
    os.register_at_fork(after_in_child=_threads.cache_clear)


@lru_cache(maxsize=32)
def _other_backend(name: str, base: str | None, api_key: str | None, options: str) -> Backend:
    """A backend that outlives the model objects: LangChain rebuilds those at each call, and connections are pooled."""
    arguments = {"base": base, "api_key": api_key}
    return BACKENDS.load(name)(**{k: v for k, v in arguments.items() if v is not None}, **json.loads(options))


class DomainLLM(Settings, Bindable, BaseChatModel):  # type: ignore[misc]  # `bind` refuses unknown options
    """A chat model over a base and its adapters, batched across all callers of the process.

    Nothing is loaded before the first call; every DomainLLM of one base shares its weights. Each call may name another
    adapter (`model="support"`, or `adapter=folder`; `model="base"` for none), and calls of different adapters share
    batches.

    Calls also take `stop`, `max_tokens`, `temperature`, `top_p`, `seed`, `timeout`, `choices` (the answer is one of
    these; `response_metadata["choice_probabilities"]`), `json_schema`,
    `response_format`, `regex`, `tools`, `tool_choice`, `parallel_tool_calls`, `strict` and `logprobs`.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    # ---- one call ----------------------------------------------------------------------------------------------------

    @property
    def _llm_type(self) -> str:
        return "domainkit"

    def _backend(self) -> Backend:
        if self.server is not None:
            return self._served()
        if self.backend == "local":
            base, revision, quantization = base_settings(self)
            local_backend = BACKENDS.load("local")
            return local_backend(
                base or DEFAULT_BASE, revision=revision, quantization=quantization, **revealed(self.backend_options)
            )
        key = self.api_key.get_secret_value() if self.api_key else None
        options = revealed(self.backend_options)
        if self.backend == "vllm":  # it loads the base itself, as the local backend does
            fields = {"revision": self.revision, "quantization": self.quantization}
            options = {**{k: v for k, v in fields.items() if k in self.model_fields_set and v}, **options}
        return _other_backend(self.backend, self.base, key, json.dumps(options, sort_keys=True))

    def _served(self) -> Backend:
        base, revision, _ = base_settings(self)
        key = self.api_key.get_secret_value() if self.api_key else None
        options = {**revealed(self.backend_options), "url": self.server, "revision": revision}
        name = "served" if self.backend == "local" else self.backend
        return _other_backend(name, base or DEFAULT_BASE, key, json.dumps(options, sort_keys=True))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: object,
    ) -> ChatResult:
        request = make_request(self, messages, stop, kwargs)
        return to_result(self._backend().complete([request])[0], self._name_of(request))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: object,
    ) -> Iterator[ChatGenerationChunk]:
        request = make_request(self, messages, stop, kwargs)
        name = self._name_of(request)
        pieces = self._backend().stream(request)
        try:
            for piece in pieces:
                yield to_chunk(piece, name)
        finally:
            _close(pieces)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: object,
    ) -> ChatResult:
        """With backends that have `submit(request) -> Future`, cancelling frees the request's slot."""
        request = make_request(self, messages, stop, kwargs)
        loop = asyncio.get_running_loop()
        backend = await loop.run_in_executor(_threads(), self._backend)
        if (submit := getattr(backend, "submit", None)) is not None:
            future = await loop.run_in_executor(_threads(), submit, request)
            completion = await asyncio.wrap_future(future)
        else:
            [completion] = await loop.run_in_executor(_threads(), backend.complete, [request])
        return to_result(completion, self._name_of(request))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: object,
    ) -> AsyncIterator[ChatGenerationChunk]:
        request = make_request(self, messages, stop, kwargs)
        name = self._name_of(request)
        loop = asyncio.get_running_loop()
        pieces = await loop.run_in_executor(_threads(), lambda: self._backend().stream(request))
        try:
            while (piece := await loop.run_in_executor(_threads(), _next_piece, pieces)) is not None:
                yield to_chunk(piece, name)
        finally:
            # Cancelled while a thread runs the generator's next step: it cannot be closed from here.
            with contextlib.suppress(ValueError):
                _close(pieces)

    # ---- many calls --------------------------------------------------------------------------------------------------

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: BatchConfig = None,
        *,
        return_exceptions: bool = False,
        **kwargs: object,
    ) -> list[AIMessage]:
        """All inputs in shared batches; the config's `max_concurrency` limits how many at a time."""
        return super().batch(inputs, batch_configs(inputs, config), return_exceptions=return_exceptions, **kwargs)

    def batch_as_completed(
        self,
        inputs: Sequence[LanguageModelInput],
        config: BatchConfig = None,
        **kwargs: Any,
    ) -> Iterator[tuple[int, Any]]:
        return super().batch_as_completed(inputs, batch_configs(inputs, config), **kwargs)

    def generate(  # type: ignore[override]  # LangChain's options pass through `kwargs`
        self, messages: list[list[BaseMessage]], stop: list[str] | None = None, **kwargs: Any
    ) -> LLMResult:
        """As LangChain's, with the prompts in shared batches."""
        if len(messages) < 2 or kwargs.get("run_id") is not None:
            return super().generate(messages, stop, **kwargs)
        generate = super().generate
        with ThreadPoolExecutor(min(len(messages), MAX_CONCURRENCY)) as pool:
            results = list(pool.map(lambda prompt: generate([prompt], stop, **kwargs), messages))
        runs = [run for r in results for run in r.run or ()]
        return LLMResult(generations=[g for r in results for g in r.generations], llm_output={}, run=runs or None)

    # ---- tools, structured output, configurable fields ---------------------------------------------------------------

    def bind_tools(
        self,
        tools: Sequence[Tool],
        *,
        tool_choice: str | bool | JsonObject | None = None,
        **kwargs: Any,
    ) -> Bound:
        """Offer tools. `tool_choice` "any" or a tool's name guarantees a well-formed call; "auto" leaves it to the
        model."""
        if tools or tool_choice not in (None, "auto", "none", False):
            kwargs |= {"tools": openai_tools(tools), "tool_choice": tool_choice}
            request_tools(read_options(kwargs))  # refuse a wrong choice now
        return self.bind(**kwargs)

    def with_structured_output(
        self, schema: Schema = None, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, StructuredAnswer]:
        """Answers of `schema` and nothing else: a pydantic class or any other type, or a JSON schema, bare or in
        OpenAI's forms.

        `method` "json_schema" (the default) constrains the answer and leaves the prompt as it is. "function_calling"
        also shows the schema to the model, as a tool. "json_mode" is "json_schema". `include_raw` gives raw, parsed,
        parsing_error. What a grammar cannot hold is checked on the whole answer, or refused with `strict=True`.
        """
        return super().with_structured_output(schema, include_raw=include_raw, **kwargs)

    def configurable_fields(self, **kwargs: AnyConfigurableField) -> ConfigurableLLM:
        plain = super().configurable_fields(**kwargs)
        assert isinstance(plain, RunnableConfigurableFields)
        return ConfigurableLLM(default=plain.default, fields=plain.fields)

    def _resolve_model_profile(self) -> ModelProfile:
        return ModelProfile(
            text_inputs=True,
            text_outputs=True,
            image_inputs=False,
            audio_inputs=False,
            video_inputs=False,
            reasoning_output=False,
            tool_calling=True,
            tool_choice=True,
            structured_output=True,
        )

    # ---- tokens, likelihood, identity --------------------------------------------------------------------------------

    def get_token_ids(self, text: str) -> list[int]:
        return self._backend().token_ids(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Tool] | None = None) -> int:
        """Prompt length in tokens, template included. Tool descriptions are not counted."""
        adapter: dict[str, str] = {"adapter": self.adapter} if self.adapter else {}
        return self._backend().count_tokens(to_backend(messages), **adapter)

    def score(self, prompt: LanguageModelInput, continuations: Sequence[str]) -> list[float]:
        """Natural-log likelihood of each continuation as the assistant's next words after `prompt`."""
        request = make_request(self, self._convert_input(prompt).to_messages(), None, {})
        return self._backend().score(request.messages, continuations, adapter=request.adapter)

    def identity(self, adapter: str | None = None) -> JsonObject:
        """What the answers of this model, or of its base with another adapter, depend on. Loads no weights."""
        folder = adapter or self.adapter
        facts = self._backend().identity(find_adapter(self, folder) if folder else None)
        return facts if self.thinking is None else {**facts, "thinking": self.thinking}

    def meet_server(self, adapter: str | None = None) -> JsonObject:
        """What the handshake with `server` finds for the base, or an adapter's folder, which the server then has.

        Raises AdapterError or BaseModelError where the server reads other prompts than the base here.
        """
        backend = self._backend()
        assert isinstance(backend, BACKENDS.load("served")), "only a model with server= has one"
        return backend.meet(adapter).facts

    @property
    def _identifying_params(self) -> JsonObject:
        request = make_request(self, [], None, {})
        return {"model_name": self._name_of(request), **self._settings(request)}

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: object) -> str:
        """LangChain's cache key: the bytes of the model that answers, not only its name, and every option of the
        call."""
        settings = self._settings(make_request(self, [], stop, kwargs))
        return json.dumps({"type": self._llm_type, **settings}, sort_keys=True, default=str)

    def _settings(self, request: Request) -> JsonObject:
        model = self._backend().identity(request.adapter)
        options = {
            name: getattr(request, name) for name in Request.__slots__ if name not in ("messages", "adapter", "timeout")
        }
        if request.thinking_budget is None:  # older entries of the cache keep their keys
            del options["thinking_budget"]
        return {"backend": self.backend, "model": model, **options}

    def _name_of(self, request: Request) -> str:
        """The adapter as it was named, else the base."""
        return request.adapter or base_settings(self).base or DEFAULT_BASE

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        name = kwargs.get("model") or kwargs.get("adapter") or self.adapter or self.base or DEFAULT_BASE
        params = LangSmithParams(
            ls_provider="domainkit",
            ls_model_name=str(name),
            ls_model_type="chat",
            ls_temperature=kwargs.get("temperature", self.temperature),
            ls_max_tokens=kwargs.get("max_tokens", self.max_tokens),
        )
        if stop or self.stop:
            params["ls_stop"] = stop or self.stop
        return params


def _next_piece(pieces: Iterator[Piece]) -> Piece | None:
    return next(pieces, None)


def _close(pieces: Iterator[Piece]) -> None:
    """Free the answer's slot, where the backend streams through something that can be closed."""
    if (close := getattr(pieces, "close", None)) is not None:
        close()
