"""Bindings and configurable models that lose nothing on the way to tools and structured output.

LangChain forwards `bind_tools` of a binding, and of a configurable model, to the bare model underneath: what was bound or
configured before, an adapter above all, is silently gone. (`create_agent` calls `bind_tools` on whatever it is given.) The
classes here hand it on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.runnables import RunnableBinding
from langchain_core.runnables.configurable import RunnableConfigurableAlternatives, RunnableConfigurableFields

from domainkit.errors import ConfigError
from domainkit.llm_calls import check_options, structured


class Bound(RunnableBinding[Any, Any]):
    """A DomainLLM with options of its calls set in advance."""

    def bind(self, **kwargs: Any) -> Bound:
        check_options(list(kwargs))
        return Bound(bound=self.bound, kwargs={**self.kwargs, **kwargs}, config=self.config)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Bound:
        again = self.bound.bind_tools(tools, **{**self.kwargs, **kwargs})  # type: ignore[attr-defined]
        return Bound(bound=again.bound, kwargs=again.kwargs, config={**self.config, **again.config})

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
        return structured(self, schema, **kwargs)


class ConfigurableLLM(RunnableConfigurableFields):
    """A DomainLLM some of whose fields a call's config may set."""

    def bind(self, **kwargs: Any) -> Bound:
        check_options(list(kwargs))
        return Bound(bound=self, kwargs=kwargs, config={})

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Bound:
        return self.bind(**self.default.bind_tools(tools, **kwargs).kwargs)  # type: ignore[attr-defined]

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
        return structured(self, schema, **kwargs)


class AlternativeLLMs(RunnableConfigurableAlternatives):
    """DomainLLMs of which a call's config picks one."""

    def bind(self, **kwargs: Any) -> Bound:
        check_options(list(kwargs))
        return Bound(bound=self, kwargs=kwargs, config={})

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Bound:
        self._only_ours("bind_tools")
        return self.bind(**self.default.bind_tools(tools, **kwargs).kwargs)  # type: ignore[attr-defined]

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
        self._only_ours("with_structured_output")
        return structured(self, schema, **kwargs)

    def _only_ours(self, verb: str) -> None:
        """Tools bound in our form may mean nothing, or something else, to another library's model."""
        for name, other in self.alternatives.items():
            core = other.bound if isinstance(other, Bound) else other
            if not isinstance(core, (type(self.default), ConfigurableLLM)) or not isinstance(
                self.default, BaseChatModel
            ):
                raise ConfigError(
                    f"the alternative '{name}' is no DomainLLM, so {verb} cannot be set for all",
                    next_step=f"call {verb} on each model first, then list the results as alternatives",
                )
