"""Before a server is asked for a base's answers: does it read what the base here reads, and are its prompts short
enough?"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TypeGuard

from domainkit.comparison.asking.call_runnable import question_of
from domainkit.comparison.config import CompareConfig
from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.errors import ConfigError, PromptTooLongError, RequestError
from domainkit.evaluation.variant import Variant
from domainkit.llm.chat_model import DomainLLM
from domainkit.messages import JsonObject
from domainkit.training.config import TrainConfig

log = logging.getLogger("domainkit")
LONGEST = 8
"""Questions whose prompts are measured, the longest ones, for each variant."""
WHOSE_ANSWERS = "the server's; trained here, with the tokenizer and template of the base here"
WHOSE_SECONDS = "the server's, on a machine that this file does not describe"


def meet_before_training(config: CompareConfig, fit: TrainConfig | None) -> None:
    """Raises where the server reads other prompts than the base that is to be trained: training takes long."""
    if config.server is not None and fit is not None:
        DomainLLM(base=fit.base, revision=fit.revision, server=config.server).meet_server()


def meet_server(plan: ComparisonPlan) -> ComparisonPlan:
    """The plan with what is known of its server, which then has the adapters. Without a server, or a variant that it
    answers, the plan itself.

    Raises AdapterError or BaseModelError where the server reads other prompts than the base here, PromptTooLongError
    or RequestError where it could not answer those of a variant, and the errors of loading adapters.
    """
    asked = [v for v in plan.variants if v.uses_base]
    if plan.inputs.config.server is None:
        return plan
    if not asked:
        log.warning("server is not used by any of the variants: %s", ", ".join(v.name for v in plan.variants))
        return plan
    if plan.inputs.general is not None and plan.base_llm.identity()["server"]["engine"].startswith("llama-server"):
        what = "general questions are scored by the likelihood of their choices, which llama-server does not tell"
        raise ConfigError(what, where="general", next_step="leave --general out, or the server")
    checks = {"base": plan.base_llm.meet_server()}
    given = (plan.adapter, plan.context_adapter, *plan.smaller, *plan.replicas)
    for adapter in (a for a in given if a is not None):
        checks[adapter.folder.name] = plan.base_llm.meet_server(str(adapter.folder))
    _check_lengths(plan, asked)
    return replace(
        plan,
        served={
            "asked": plan.inputs.config.server,
            "answers": WHOSE_ANSWERS,
            "seconds": WHOSE_SECONDS,
            "checks": checks,
        },
    )


def _check_lengths(plan: ComparisonPlan, variants: list[Variant]) -> None:
    """Sends each variant's longest questions through its chain, up to the model, which only measures them."""
    measured = replace(plan, measuring=True)
    longest = sorted(plan.inputs.task.samples, key=lambda s: len(s.input), reverse=True)[:LONGEST]
    questions: list[str | JsonObject] = [question_of(s) for s in longest]
    for variant in variants:
        if variant.agent:  # its prompts grow with what it finds
            continue
        errors = [a for a in measured.runnable(variant).batch(questions, return_exceptions=True) if _is_error(a)]
        too_long = [e for e in errors if isinstance(e, PromptTooLongError)]
        for error in too_long or (errors if len(errors) == len(questions) else ()):
            raise type(error)(
                f"variant '{variant.name}' cannot be asked: {error.what}", where=error.where, next_step=error.next_step
            )


def _is_error(answer: object) -> TypeGuard[RequestError]:
    return isinstance(answer, RequestError)
