"""DomainLLM: a base with any number of adapters as a LangChain chat model."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated, Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from domainkit.adapters.folder import split_task
from domainkit.errors import AdapterError
from domainkit.inference import BACKENDS
from domainkit.inference.backend import Backend, Piece, Request
from domainkit.llm.adapter_binding import MOST_TOGETHER, Bound, ConfigurableLLM, Roads, together
from domainkit.llm.calls import find_adapter, make_request, place_of, structured, tool_choice_of
from domainkit.llm.messages import to_backend, to_chunk, to_result
from domainkit.models import DEFAULT_BASE, Quantization

Folder = Annotated[str, BeforeValidator(lambda v: fspath(v) if isinstance(v, PathLike) else v)]


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    """For async callers: they only wait there. asyncio's own pool has too few threads to fill a batch."""
    return ThreadPoolExecutor(MOST_TOGETHER, thread_name_prefix="domainkit-async")


if hasattr(os, "register_at_fork"):  # a forked child has the pool but not its threads
    os.register_at_fork(after_in_child=_threads.cache_clear)


@lru_cache(maxsize=32)
def _other_backend(name: str, base: str | None, api_key: str | None, options: str) -> Backend:
    """A backend kept for its connections; LangChain rebuilds models at will."""
    given: dict[str, Any] = {"base": base, "api_key": api_key}
    return BACKENDS.load(name)(**{k: v for k, v in given.items() if v is not None}, **json.loads(options))


class DomainLLM(Roads, BaseChatModel):  # type: ignore[misc]
    """A chat model over a base and its adapters, batched across all callers of the process.

    Nothing is loaded before the first call; every DomainLLM of one base shares its weights. Each call may name another
    adapter (`model="support"`, or `adapter=folder`; `model="base"` for none), and calls of different adapters share batches.

    Calls also take `stop`, `max_tokens`, `temperature`, `top_p`, `seed`, `timeout`, `choices` (the answer is one of these;
    `response_metadata["choice_probabilities"]`), `json_schema`, `regex`, `tools`, `tool_choice` and `logprobs`.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, use_attribute_docstrings=True)

    adapter: Folder | None = None
    """Adapter folder; None is the base alone."""
    base: Folder | None = None
    """Base model; left out, the adapter's, else builtin:smollm2-135m."""
    revision: str | None = None
    """Revision of a hub base."""
    quantization: Quantization = "auto"
    """nf4, int8, none; auto is what the adapter was trained on, else what fits the memory."""
    adapters: dict[str, Folder] = Field(default_factory=dict)
    """Names for further adapter folders, for `model=` in a call."""
    backend: str = "local"
    """What computes: a name of domainkit.inference.BACKENDS."""
    backend_options: dict[str, Any] = Field(default_factory=dict)
    """Options of that backend, e.g. a server's url."""
    temperature: float = Field(default=0.0, ge=0)
    """0 is greedy."""
    max_tokens: int = Field(default=256, ge=1)
    """Most new tokens in an answer."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Sample from the most probable tokens that together reach this."""
    stop: list[str] | None = None
    """Strings that end the answer; they are cut from it."""
    seed: int | None = None
    """Seeds each answer's sampling, alone or in company; None draws anew."""
    timeout: float | None = Field(default=None, gt=0)
    """Seconds from asking until an error."""
    max_retries: int = Field(default=2, ge=0)
    """For backends that can fail in passing; the local one has nothing to retry."""
    api_key: SecretStr | None = None
    """For backends that want one."""
    streaming: bool = False
    """Stream inside `invoke` too, for callbacks that watch tokens."""

    @model_validator(mode="before")
    @classmethod
    def _one_stop_is_a_list(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("stop"), str):
            return {**values, "stop": [values["stop"]]}
        return values

    @model_validator(mode="after")
    def _adapter_is_there(self) -> DomainLLM:
        if self.adapter is not None and self.backend == "local":
            folder = Path(split_task(find_adapter(self, self.adapter))[0])
            if not (folder / "adapter_config.json").is_file():
                what = "is no adapter: adapter_config.json missing" if folder.is_dir() else "no such adapter folder"
                raise AdapterError(what, where=str(folder), next_step="check the path")
        return self

    # ---- what answers -------------------------------------------------------------------------------------------------

    @property
    def _llm_type(self) -> str:
        return "domainkit"

    def _backend(self) -> Backend:
        if self.backend == "local":
            base, revision, quantization = place_of(self)
            make = BACKENDS.load("local")
            return make(base or DEFAULT_BASE, revision=revision, quantization=quantization, **self.backend_options)
        key = self.api_key.get_secret_value() if self.api_key else None
        return _other_backend(self.backend, self.base, key, json.dumps(self.backend_options, sort_keys=True))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        request = make_request(self, messages, stop, kwargs)
        return to_result(self._backend().complete([request])[0], self._name_of(request))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        request = make_request(self, messages, stop, kwargs)
        name = self._name_of(request)
        with contextlib.closing(self._backend().stream(request)) as pieces:  # type: ignore[type-var]
            for piece in pieces:
                yield to_chunk(piece, name)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        """Cancelling frees the slot, with backends that have `submit(request) -> Future`."""
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
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        request = make_request(self, messages, stop, kwargs)
        name = self._name_of(request)
        loop = asyncio.get_running_loop()
        pieces: Any = await loop.run_in_executor(_threads(), lambda: self._backend().stream(request))
        try:
            while (piece := await loop.run_in_executor(_threads(), _next_piece, pieces)) is not None:
                yield to_chunk(piece, name)
        finally:
            with contextlib.suppress(
                ValueError, AttributeError
            ):  # a generator in the middle of a step, or no generator
                pieces.close()

    # ---- many at once -------------------------------------------------------------------------------------------------

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """All inputs in shared passes; `max_concurrency` limits how many at a time."""
        return super().batch(inputs, together(inputs, config), return_exceptions=return_exceptions, **kwargs)

    def batch_as_completed(
        self,
        inputs: Sequence[LanguageModelInput],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        **kwargs: Any,
    ) -> Iterator[tuple[int, Any]]:
        return super().batch_as_completed(inputs, together(inputs, config), **kwargs)

    def generate(self, messages: list[list[BaseMessage]], stop: list[str] | None = None, **kwargs: Any) -> LLMResult:  # type: ignore[override]
        """As LangChain's, with the prompts in shared passes."""
        if len(messages) < 2 or kwargs.get("run_id") is not None:
            return super().generate(messages, stop, **kwargs)
        one = super().generate
        with ThreadPoolExecutor(min(len(messages), MOST_TOGETHER)) as pool:
            results = list(pool.map(lambda m: one([m], stop, **kwargs), messages))
        runs = [run for r in results for run in r.run or ()]
        return LLMResult(generations=[g for r in results for g in r.generations], llm_output={}, run=runs or None)

    # ---- tools, structure, roads --------------------------------------------------------------------------------------

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | bool | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Bound:
        """Offer tools. `tool_choice` "any" or a tool's name makes a well-formed call certain; "auto" leaves it to the model."""
        described = [convert_to_openai_tool(t) for t in tools]
        if described or tool_choice not in (None, "auto", "none", False):
            tool_choice_of(tool_choice, [t["function"]["name"] for t in described])
            kwargs |= {"tools": described, "tool_choice": tool_choice}
        return self.bind(**kwargs)

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[LanguageModelInput, Any]:
        """Answers of `schema` (pydantic class, TypedDict, JSON schema) and nothing else.

        `method` "json_schema" (the default) constrains the answer and leaves the prompt as it is; "function_calling" also
        shows the schema to the model, as a tool; "json_mode" is "json_schema". `include_raw` gives raw, parsed, parsing_error.
        """
        return structured(self, schema, **kwargs)

    def configurable_fields(self, **kwargs: Any) -> Any:
        plain = super().configurable_fields(**kwargs)
        return ConfigurableLLM(default=plain.default, fields=plain.fields)  # type: ignore[attr-defined]

    def _resolve_model_profile(self) -> ModelProfile:
        return ModelProfile(
            text_inputs=True, text_outputs=True, image_inputs=False, audio_inputs=False, video_inputs=False,
            reasoning_output=False, tool_calling=True, tool_choice=True, structured_output=True,
        )  # fmt: skip

    # ---- counting and identity ----------------------------------------------------------------------------------------

    def get_token_ids(self, text: str) -> list[int]:
        return self._backend().token_ids(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Prompt length in tokens, template included; tool descriptions are not counted."""
        return self._backend().count_tokens(to_backend(messages))

    def score(self, prompt: LanguageModelInput, continuations: Sequence[str]) -> list[float]:
        """Natural-log likelihood of each continuation as the assistant's next words after `prompt`."""
        request = make_request(self, self._convert_input(prompt).to_messages(), None, {})
        return self._backend().score(request.messages, continuations, adapter=request.adapter)

    def identity(self, adapter: str | None = None) -> dict[str, Any]:
        """What makes the answers of this model (or of its base with another adapter) themselves; loads no weights."""
        folder = adapter or self.adapter
        return self._backend().identity(find_adapter(self, folder) if folder else None)

    @property
    def _identifying_params(self) -> dict[str, Any]:
        request = make_request(self, [], None, {})
        return {"model_name": self._name_of(request), **self._settings(request)}

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """The cache key: the answering model's bytes, not only its name, and every option of the call."""
        settings = self._settings(make_request(self, [], stop, kwargs))
        return json.dumps({"type": self._llm_type, **settings}, sort_keys=True, default=str)

    def _settings(self, request: Request) -> dict[str, Any]:
        model = self._backend().identity(request.adapter)
        options = {
            name: getattr(request, name) for name in Request.__slots__ if name not in ("messages", "adapter", "timeout")
        }
        return {"backend": self.backend, "model": model, **options}

    def _name_of(self, request: Request) -> str:
        """The adapter as it was named, else the base."""
        return request.adapter or place_of(self)[0] or DEFAULT_BASE

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        named = kwargs.get("model") or kwargs.get("adapter") or self.adapter or self.base or DEFAULT_BASE
        params = LangSmithParams(
            ls_provider="domainkit",
            ls_model_name=str(named),
            ls_model_type="chat",
            ls_temperature=kwargs.get("temperature", self.temperature),
            ls_max_tokens=kwargs.get("max_tokens", self.max_tokens),
        )
        if stop or self.stop:
            params["ls_stop"] = stop or self.stop
        return params


def _next_piece(pieces: Iterator[Piece]) -> Piece | None:
    return next(pieces, None)


__all__ = ["DomainLLM"]
