"""Runnable wrappers that keep bound arguments: however LangChain users pass an adapter, it reaches the call.

LangChain's own wrappers forward `bind_tools` to the bare model inside them. What was bound or configured before, an
adapter above all, is then silently lost (`create_agent` calls `bind_tools` on whatever it is given). The classes here
pass it on, and each of their wrappers is again one of these classes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, cast

from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import (
    ConfigurableField,
    Runnable,
    RunnableBinding,
    RunnableConfig,
    RunnableSerializable,
    RunnableWithFallbacks,
)
from langchain_core.runnables.config import get_config_list
from langchain_core.runnables.configurable import RunnableConfigurableAlternatives, RunnableConfigurableFields
from langchain_core.runnables.retry import RunnableRetry
from langchain_core.runnables.utils import AnyConfigurableField
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import model_validator

from domainkit.errors import ConfigError
from domainkit.llm.calls import LLMRunnable, Tool, read_options
from domainkit.llm.structured_output import Schema, StructuredAnswer, as_tool, parsed, wanted_schema

MAX_CONCURRENCY = 256
"""Requests of one `batch` that are computed at the same time, unless `max_concurrency` says otherwise."""
BatchConfig = RunnableConfig | Sequence[RunnableConfig] | None


def batch_configs(inputs: Sequence[LanguageModelInput], config: BatchConfig) -> list[RunnableConfig]:
    """One config per input, with threads for all inputs: LangChain's default is a few threads, which makes small
    batches."""
    configs = get_config_list(config, len(inputs))
    threads = min(max(1, len(inputs)), MAX_CONCURRENCY)
    return [c if c.get("max_concurrency") else {**c, "max_concurrency": threads} for c in configs]


# ---- what every wrapper can do ---------------------------------------------------------------------------------------
#
# `**kwargs: Any` is LangChain's own signature of these methods; `read_options` checks what reaches a call.


class Composable(LLMRunnable):
    """Fallbacks, alternatives and structured output, without losing what is bound."""

    @abstractmethod
    def bind_tools(self, tools: Sequence[Tool], **kwargs: Any) -> LLMRunnable:
        """The model with tools and other options of its calls set in advance."""

    def with_fallbacks(
        self,
        fallbacks: Sequence[LLMRunnable],
        *,
        exceptions_to_handle: tuple[type[BaseException], ...] = (Exception,),
        exception_key: str | None = None,
    ) -> FallbackLLMs:
        return FallbackLLMs(
            runnable=self,
            fallbacks=list(fallbacks),
            exceptions_to_handle=exceptions_to_handle,
            exception_key=exception_key,
        )

    def configurable_alternatives(
        self,
        which: ConfigurableField,
        *,
        default_key: str = "default",
        prefix_keys: bool = False,
        **alternatives: LLMRunnable | Callable[[], LLMRunnable],
    ) -> AlternativeLLMs:
        return AlternativeLLMs(
            which=which,
            default=cast(RunnableSerializable[LanguageModelInput, AIMessage], self),
            alternatives=alternatives,
            default_key=default_key,
            prefix_keys=prefix_keys,
        )

    def with_structured_output(
        self,
        schema: Schema = None,
        *,
        method: str = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: object,
    ) -> Runnable[LanguageModelInput, StructuredAnswer]:
        wanted = wanted_schema(schema, method)
        titled = {"title": wanted.name, **wanted.schema}
        options = {**kwargs, "strict": wanted.strict if strict is None else strict, "check_schema": False}
        options["ls_structured_output_format"] = {
            "kwargs": {"method": method},
            "schema": schema if isinstance(schema, type) and is_basemodel_subclass(schema) else titled,
        }
        by_call = method == "function_calling"
        if by_call:
            bound = self.bind_tools([as_tool(wanted)], tool_choice=wanted.name, **options)
        else:
            bound = self.bind(json_schema=titled, **options)
        return parsed(bound, wanted, from_call=by_call, include_raw=include_raw)


class Bindable(Composable):
    """A model, or a choice of models, on which options of calls can be bound."""

    def bind(self, **kwargs: object) -> Bound:
        """The model with options of its calls set in advance. Raises ConfigError for an unknown one."""
        read_options(kwargs)
        return Bound(bound=self, kwargs=kwargs, config={})

    def bind_tools(self, tools: Sequence[Tool], **kwargs: Any) -> LLMRunnable:
        model = _chat_model(self)
        assert isinstance(model, Bindable), "only a DomainLLM is wrapped by these classes"
        bound = model.bind_tools(tools, **kwargs)
        assert isinstance(bound, Bound)
        return self.bind(**bound.kwargs)

    def with_config(self, config: RunnableConfig | None = None, **kwargs: object) -> Bound:
        return Bound(bound=self, kwargs={}, config=cast(RunnableConfig, {**(config or {}), **kwargs}))

    def with_listeners(self, **kwargs: Any) -> LLMRunnable:
        return self.bind().with_listeners(**kwargs)

    def with_alisteners(self, **kwargs: Any) -> LLMRunnable:
        return self.bind().with_alisteners(**kwargs)

    def with_types(self, **kwargs: Any) -> LLMRunnable:
        return self.bind().with_types(**kwargs)

    def with_retry(self, **kwargs: Any) -> RetriedLLM:
        plain = Runnable.with_retry(self, **kwargs)
        return RetriedLLM(**{name: getattr(plain, name) for name in RunnableRetry.model_fields})


# ---- the wrappers ----------------------------------------------------------------------------------------------------


class Bound(Composable, RunnableBinding[Any, Any]):  # Any: `with_types` may declare other input and output types
    """A DomainLLM with options of its calls set in advance."""

    @model_validator(mode="after")
    def _config_has_an_effect(self) -> Bound:
        """Refuse a config for this very model that it would ignore. One that comes down a chain may be for other
        models."""
        inner: object = self.bound
        while isinstance(inner, (Bound, RetriedLLM)):
            inner = inner.bound
        if isinstance(inner, BaseChatModel):
            fields = ("model", *type(inner).model_fields)
            ignored = [k for k in (self.config or {}).get("configurable", {}) if k in fields]
            if ignored:
                name = "adapter" if ignored[0] == "model" else ignored[0]
                raise ConfigError(
                    f"'{ignored[0]}' is set as configurable, but this field of the model was not made configurable: "
                    "it would have no effect",
                    next_step=f"bind({ignored[0]}=...), "
                    f"or first configurable_fields({name}=ConfigurableField(id='{ignored[0]}'))",
                )
        return self

    def bind(self, **kwargs: object) -> Bound:
        read_options(kwargs)
        return self.model_copy(update={"kwargs": {**self.kwargs, **kwargs}})

    def bind_tools(self, tools: Sequence[Tool], **kwargs: Any) -> Bound:
        assert isinstance(self.bound, Composable)
        rebound = self.bound.bind_tools(tools, **{**self.kwargs, **kwargs})
        if not isinstance(rebound, Bound):  # fallbacks bind the options to each of their models
            return self.model_copy(update={"bound": rebound, "kwargs": {}})
        config = {**self.config, **rebound.config}
        return self.model_copy(update={"bound": rebound.bound, "kwargs": rebound.kwargs, "config": config})

    def configurable_fields(self, **kwargs: AnyConfigurableField) -> Bound:
        bound = sorted(set(kwargs) & set(self.kwargs))
        if not bound and "adapter" in kwargs and "model" in self.kwargs:
            bound = ["model"]
        if bound:
            raise ConfigError(
                f"'{bound[0]}' is bound already, so a config could not change it",
                next_step="call configurable_fields on the model first, and give the bound value as the field",
            )
        assert isinstance(self.bound, RunnableSerializable)
        return self.model_copy(update={"bound": self.bound.configurable_fields(**kwargs)})


class ConfigurableLLM(Bindable, RunnableConfigurableFields):
    """A DomainLLM with fields that a call's config may set."""

    def batch(self, inputs: list[LanguageModelInput], config: BatchConfig = None, **kwargs: Any) -> list[AIMessage]:
        return super().batch(inputs, batch_configs(inputs, config), **kwargs)


class AlternativeLLMs(Bindable, RunnableConfigurableAlternatives):
    """DomainLLMs from which a call's config chooses one."""

    def batch(self, inputs: list[LanguageModelInput], config: BatchConfig = None, **kwargs: Any) -> list[AIMessage]:
        return super().batch(inputs, batch_configs(inputs, config), **kwargs)

    def bind_tools(self, tools: Sequence[Tool], **kwargs: Any) -> LLMRunnable:
        self._check_alternatives("bind_tools")
        return super().bind_tools(tools, **kwargs)

    def with_structured_output(
        self, schema: Schema = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, StructuredAnswer]:
        self._check_alternatives("with_structured_output")
        return super().with_structured_output(schema, **kwargs)

    def _check_alternatives(self, verb: str) -> None:
        """Tools bound in our form may mean nothing, or something else, to another library's model."""
        for name, alternative in self.alternatives.items():
            model = _chat_model(alternative if isinstance(alternative, Runnable) else alternative())
            if getattr(model, "_llm_type", None) != "domainkit":
                raise ConfigError(
                    f"the alternative '{name}' is not a DomainLLM, so {verb} cannot be set for all",
                    next_step=f"call {verb} on each model first, then list the results as alternatives",
                )


class RetriedLLM(Bindable, RunnableRetry[Any, Any]):
    """A DomainLLM whose failed calls are repeated."""


class FallbackLLMs(Bindable, RunnableWithFallbacks[Any, Any]):
    """A DomainLLM with models that answer when it fails. They may be another library's."""

    def bind_tools(self, tools: Sequence[Tool], **kwargs: Any) -> LLMRunnable:
        return self._on_each("bind_tools", tools, **kwargs)

    def with_structured_output(
        self, schema: Schema = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, StructuredAnswer]:
        return self._on_each("with_structured_output", schema, **kwargs)

    def _on_each(self, verb: str, *args: object, **kwargs: object) -> FallbackLLMs:
        models = [getattr(model, verb)(*args, **kwargs) for model in (self.runnable, *self.fallbacks)]
        return self.model_copy(update={"runnable": models[0], "fallbacks": models[1:]})


def _chat_model(wrapped: object) -> object:
    """The chat model inside all wrappers."""
    while not isinstance(wrapped, BaseChatModel):
        inner = [getattr(wrapped, name, None) for name in ("bound", "default", "runnable")]
        model = next((i for i in inner if i is not None), None)
        if model is None:
            break
        wrapped = model
    return wrapped
