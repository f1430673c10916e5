"""Every road by which LangChain users pass an adapter, so that it reaches the call on each of them.

LangChain's own wrappers forward `bind_tools` to the bare model underneath: what was bound or configured before, an adapter above
all, is silently gone. (`create_agent` calls `bind_tools` on whatever it is given.) The classes here hand it on, and every wrapping
of theirs is one of them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig, RunnableWithFallbacks
from langchain_core.runnables.config import get_config_list
from langchain_core.runnables.configurable import RunnableConfigurableAlternatives, RunnableConfigurableFields
from langchain_core.runnables.retry import RunnableRetry
from pydantic import model_validator

from domainkit.errors import ConfigError
from domainkit.llm.calls import check_options, structured

MOST_TOGETHER = 256
"""Requests of one `batch` that are under way together unless `max_concurrency` says otherwise."""


def together(inputs: Sequence[Any], config: Any) -> list[RunnableConfig]:
    """One config per input, with room for all of them at once: LangChain's own is a few threads, so small batches."""
    configs = get_config_list(config, len(inputs))
    room = min(max(1, len(inputs)), MOST_TOGETHER)
    return [c if c.get("max_concurrency") else {**c, "max_concurrency": room} for c in configs]


class Forks:
    """What turns a model into several, or its answer into a value."""

    def with_fallbacks(self: Any, fallbacks: Sequence[Any], **kwargs: Any) -> FallbackLLMs:
        return FallbackLLMs(runnable=self, fallbacks=list(fallbacks), **kwargs)

    def configurable_alternatives(
        self: Any, which: Any, *, default_key: str = "default", prefix_keys: bool = False, **kwargs: Any
    ) -> AlternativeLLMs:
        return AlternativeLLMs(
            which=which, default=self, alternatives=kwargs, default_key=default_key, prefix_keys=prefix_keys
        )

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[Any, Any]:
        return structured(self, schema, **kwargs)


class Roads(Forks):
    """A model, or a choice of models, that keeps what is bound to it."""

    def bind(self: Any, **kwargs: Any) -> Bound:
        """The model with call options set in advance; an unknown one is refused here."""
        check_options(list(kwargs))
        return Bound(bound=self, kwargs=kwargs, config={})

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self.bind(**_core(self).bind_tools(tools, **kwargs).kwargs)

    def with_config(self: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Bound:
        merged: Any = {**(config or {}), **kwargs}
        return Bound(bound=self, kwargs={}, config=merged)

    def with_listeners(self, **kwargs: Any) -> Any:
        return self.bind().with_listeners(**kwargs)

    def with_alisteners(self, **kwargs: Any) -> Any:
        return self.bind().with_alisteners(**kwargs)

    def with_types(self, **kwargs: Any) -> Any:
        return self.bind().with_types(**kwargs)

    def with_retry(self, **kwargs: Any) -> RetriedLLM:
        plain: Any = Runnable.with_retry(self, **kwargs)  # type: ignore[arg-type]
        return RetriedLLM(**{name: getattr(plain, name) for name in RunnableRetry.model_fields})


class Bound(Forks, RunnableBinding[Any, Any]):
    """A DomainLLM with options of its calls set in advance."""

    @model_validator(mode="after")
    def _config_means_something(self) -> Bound:
        """A config for this very model that it would not heed is an error; one that comes down a chain may be for others."""
        core: Any = self.bound
        while isinstance(core, (Bound, RetriedLLM)):
            core = core.bound
        if isinstance(core, BaseChatModel):
            idle = [k for k in (self.config or {}).get("configurable", {}) if k in ("model", *type(core).model_fields)]
            if idle:
                name = "adapter" if idle[0] == "model" else idle[0]
                raise ConfigError(
                    f"'{idle[0]}' is set as configurable, but no field of this model was made so: it would have no effect",
                    next_step=f"bind({idle[0]}=...), or first configurable_fields({name}=ConfigurableField(id='{idle[0]}'))",
                )
        return self

    def bind(self, **kwargs: Any) -> Bound:
        check_options(list(kwargs))
        return self.model_copy(update={"kwargs": {**self.kwargs, **kwargs}})

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Bound:
        again: Any = self.bound.bind_tools(tools, **{**self.kwargs, **kwargs})  # type: ignore[attr-defined]
        if not isinstance(again, Bound):  # fallbacks bind each of theirs
            return self.model_copy(update={"bound": again, "kwargs": {}})
        config = {**self.config, **again.config}
        return self.model_copy(update={"bound": again.bound, "kwargs": again.kwargs, "config": config})

    def configurable_fields(self, **kwargs: Any) -> Any:
        fixed = sorted(set(kwargs) & set(self.kwargs)) or (
            ["model"] if "adapter" in kwargs and "model" in self.kwargs else []
        )
        if fixed:
            raise ConfigError(
                f"'{fixed[0]}' is bound already, so a config could not change it",
                next_step="call configurable_fields on the model first, and give the bound value as the field",
            )
        return self.model_copy(update={"bound": self.bound.configurable_fields(**kwargs)})  # type: ignore[attr-defined]


class ConfigurableLLM(Roads, RunnableConfigurableFields):
    """A DomainLLM some of whose fields a call's config may set."""

    def batch(self, inputs: list[Any], config: Any = None, **kwargs: Any) -> list[Any]:
        return super().batch(inputs, together(inputs, config), **kwargs)


class AlternativeLLMs(Roads, RunnableConfigurableAlternatives):
    """DomainLLMs of which a call's config picks one."""

    def batch(self, inputs: list[Any], config: Any = None, **kwargs: Any) -> list[Any]:
        return super().batch(inputs, together(inputs, config), **kwargs)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Bound:
        self._only_ours("bind_tools")
        return super().bind_tools(tools, **kwargs)

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[Any, Any]:
        self._only_ours("with_structured_output")
        return super().with_structured_output(schema, **kwargs)

    def _only_ours(self, verb: str) -> None:
        """Tools bound in our form may mean nothing, or something else, to another library's model."""
        for name, other in self.alternatives.items():
            model = other if isinstance(other, Runnable) else other()
            if getattr(_core(model), "_llm_type", None) != "domainkit":
                raise ConfigError(
                    f"the alternative '{name}' is no DomainLLM, so {verb} cannot be set for all",
                    next_step=f"call {verb} on each model first, then list the results as alternatives",
                )


class RetriedLLM(Roads, RunnableRetry[Any, Any]):
    """A DomainLLM that is asked again when it fails."""


class FallbackLLMs(Roads, RunnableWithFallbacks[Any, Any]):
    """A DomainLLM with models that take over when it fails; those may be another library's."""

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> FallbackLLMs:
        return self._each("bind_tools", tools, **kwargs)

    def with_structured_output(self, schema: Any, **kwargs: Any) -> FallbackLLMs:
        return self._each("with_structured_output", schema, **kwargs)

    def _each(self, verb: str, *args: Any, **kwargs: Any) -> FallbackLLMs:
        made = [getattr(model, verb)(*args, **kwargs) for model in (self.runnable, *self.fallbacks)]
        return self.model_copy(update={"runnable": made[0], "fallbacks": made[1:]})


def _core(model: Any) -> Any:
    """The chat model under all that was wrapped around it."""
    while not isinstance(model, BaseChatModel):
        inner = next((i for n in ("bound", "default", "runnable") if (i := getattr(model, n, None)) is not None), None)
        if inner is None:
            break
        model = inner
    return model
