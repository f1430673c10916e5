"""Settings that a comparison gives to its models: how they think, and the limit of a provider's model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from domainkit.errors import ConfigError
from domainkit.llm.settings import base_settings
from domainkit.models import DEFAULT_BASE
from domainkit.models.thinking import ThinkingChoice

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

    from domainkit.comparison.planning.plan import ComparisonPlan

log = logging.getLogger("domainkit")
CLOSING = 16
"""Tokens between the reasoning and the answer, at most."""
LIMITS = ("max_tokens", "max_output_tokens", "num_predict")
"""How LangChain's chat models call the most new tokens of an answer."""


def check_thinking(plan: ComparisonPlan) -> None:
    """Raises ConfigError where reasoning is asked for and the base has none. Names the option where nothing uses it."""
    choice = plan.inputs.config.thinking
    if choice is None:
        return
    prompted = [v for v in plan.variants if v.uses_base and not v.tuned]
    if not prompted and not any(v.model and not v.tuned for v in plan.variants):
        why = (
            "an adapter answers as it was trained (fit.thinking)"
            if any(v.tuned for v in plan.variants)
            else "no variant asks a model"
        )
        log.warning("thinking is not used: %s", why)
    if choice == "off" or not prompted:
        return
    if plan.inputs.config.server is not None and plan.constraint:
        why = "a server begins an answer that is held to a form without reasoning: decoding=free lets it think"
        log.warning("thinking is not used by the base: %s", why)
    if _thinks(plan):
        return
    what = f"thinking={choice} is given, and the chat template of {plan.base_llm.base or 'the base'} has no reasoning"
    raise ConfigError(what, where="thinking", next_step="leave it out, or compare a base that thinks")


def _thinks(plan: ComparisonPlan) -> bool:
    """Whether the chat template of the base has reasoning. Loads no weights."""
    from domainkit.inference.local import local_backend

    found = base_settings(plan.base_llm)
    return local_backend(
        found.base or DEFAULT_BASE, revision=found.revision, quantization="none"
    ).chat_template.traits.thinks


def with_thinking(llm: BaseChatModel, choice: ThinkingChoice, name: str) -> BaseChatModel:
    """A provider's model with the choice, by the setting that its class has for it; itself, with a warning, where it
    has none.

    Google's models take tokens (0: none, -1: as many as they like), Anthropic's a table, Ollama's yes or no.
    """
    fields = type(llm).model_fields
    if "thinking_budget" in fields:
        return llm.model_copy(update={"thinking_budget": {"off": 0, "on": -1}.get(str(choice), choice)})
    if "thinking" in fields and choice != "on":
        table = {"type": "disabled"} if choice == "off" else {"type": "enabled", "budget_tokens": choice}
        return llm.model_copy(update={"thinking": table})
    if "reasoning" in fields and "num_predict" in fields:
        if isinstance(choice, int):
            log.warning("thinking=%d: the model %s reasons, and takes no number of tokens", choice, name)
        return llm.model_copy(update={"reasoning": choice != "off"})
    why = f"a {type(llm).__name__} has no such setting that is known here"
    if "thinking" in fields:
        why = f"a {type(llm).__name__} takes it as a number of tokens only"
    log.warning("thinking=%s is not used by the model %s: %s", choice, name, why)
    return llm


def room_to_think(choice: ThinkingChoice | None) -> int:
    """Tokens of a budget of reasoning, beside those of the answer."""
    return choice + CLOSING if isinstance(choice, int) else 0


def limited(llm: BaseChatModel, limit: int, name: str) -> BaseChatModel:
    """The model with a limit of new tokens, by the name that its class has for it."""
    known = next((field for field in LIMITS if field in type(llm).model_fields), None)
    if known is None:
        log.warning("max_tokens is not used by the model %s: a %s has no such setting", name, type(llm).__name__)
        return llm
    return llm.model_copy(update={known: limit})
