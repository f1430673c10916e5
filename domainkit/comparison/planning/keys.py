"""Content keys: equal keys mean equal answers to the same question, so an answer on disk may stand for a new one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from domainkit.adapters.folder import Adapter
from domainkit.comparison.ladder import CHAINS
from domainkit.evaluation.identity import identity_of
from domainkit.evaluation.variant import Variant
from domainkit.messages import JsonObject
from domainkit.retrieval import RETRIEVERS, MiniLMEmbeddings
from domainkit.storage import sha256_json

if TYPE_CHECKING:
    from domainkit.comparison.planning.plan import ComparisonPlan
    from domainkit.retrieval.own import OwnRetriever

log = logging.getLogger("domainkit")
MODELS = 2
"""Version of the models without a language model: a change of their answers needs another."""


def content_key(plan: ComparisonPlan, variant: Variant, adapter: Adapter | None = None) -> str:
    """The key of the variant's answers, with `adapter` in place of its own."""
    inputs = plan.inputs
    facts: JsonObject = {"variant": _flags(variant), "task_kind": inputs.task.kind}
    if variant.runnable is not None:
        identity = plan.identities.get(variant.name)
        return sha256_json({**facts, "custom": variant.name, "identity": identity or plan.run})
    if "train" in variant.needs or variant.classical != "none":
        rows = [e.model_dump(include={"turns"}, exclude_defaults=True)["turns"] for e in inputs.examples]
        facts["train"] = sha256_json(rows)
        if any(e.query != e.question for e in inputs.examples):
            facts["compared_by"] = "query"
    if variant.classical != "none":
        # What a metric scores decides which of the models is chosen.
        facts["chosen_by"] = plan.simple.chosen_by
        facts["models"] = [MODELS, plan.simple.identity_of(variant)]
        return sha256_json(facts)
    facts |= _facts_of_model(plan, variant, adapter) | _facts_of_prompt(plan, variant)
    return sha256_json(facts)


def _facts_of_model(plan: ComparisonPlan, variant: Variant, adapter: Adapter | None) -> JsonObject:
    if variant.model is None:
        return {"model": plan.llm_of(variant, adapter).identity(), "max_tokens": plan.max_tokens}
    # Of the model, and not of the name it has in this run: another name for it asks nothing again.
    facts: JsonObject = {"model": plan.identity_of_model(variant), "held": plan.held_by(variant.model)}
    return facts | {"max_tokens": plan.max_tokens_of(variant.model)}


def _facts_of_prompt(plan: ComparisonPlan, variant: Variant) -> JsonObject:
    inputs, config = plan.inputs, plan.inputs.config
    facts: JsonObject = {
        "labels": inputs.task.labels,
        "prompts": {name: plan.parts.prompt(name) for name in (inputs.task.kind, "context")},
        "settings": config.model_dump(include={"decoding", "seed"}),
    }
    if inputs.task.json_schema is not None:
        facts["json_schema"] = inputs.task.json_schema
    if variant.shots != "none":
        facts["shots"] = config.shots
    if variant.shots == "nearest" or (variant.retrieve and config.retriever in ("dense", "fused")):
        facts["embeddings"] = MiniLMEmbeddings().identity()
    if variant.retrieve and inputs.retriever is not None:
        facts |= _facts_of_retriever(plan, inputs.retriever, variant)
    elif variant.retrieve:
        if not RETRIEVERS[config.retriever].startswith("domainkit."):
            facts["retriever"] = identity_of(RETRIEVERS.load(config.retriever)) or plan.run
        facts["corpus"] = _digest_of_corpus(plan)
        facts["retrieval"] = config.model_dump(include={"passages", "retriever"})
    if variant.agent:
        facts["tool"] = CHAINS.load("agent tool")
    return facts


def _facts_of_retriever(plan: ComparisonPlan, retriever: OwnRetriever, variant: Variant) -> JsonObject:
    """Of a retriever of the user's own; an oracle finds its documents in the corpus."""
    facts: JsonObject = {"retrieval": {"passages": retriever.k}}
    if variant.oracle:
        return {**facts, "corpus": _digest_of_corpus(plan)}
    return {**facts, "retriever": retriever.identity or plan.run}


def _digest_of_corpus(plan: ComparisonPlan) -> str:
    return sha256_json([d.model_dump(include={"id", "title", "text"}) for d in plan.inputs.documents])


def identities_of(variants: Sequence[Variant]) -> dict[str, str | None]:
    """What tells each Runnable of the user's own from another, None where it cannot be told. Read before anything is
    asked: a Runnable may keep a state of its own."""
    found = {v.name: v.identity or identity_of(v.runnable) for v in variants if v.runnable is not None}
    for name in (name for name, identity in found.items() if identity is None):
        log.warning(
            "%s: every question is asked again, since its code and settings cannot be read and an old answer could be "
            "another Runnable's; Variant(identity=…) says what tells it from others",
            name,
        )
    return found


def _flags(variant: Variant) -> JsonObject:
    """The variant's part of the content key: what changes an answer. A flag that is off leaves older keys as they
    are."""
    silent = {"runnable", "description", "default", "identity", "model"}
    silent |= {flag for flag in ("agent", "oracle", "context") if not getattr(variant, flag)}
    flags = variant.model_dump(exclude=silent)
    if variant.model is not None:
        flags["name"] = variant.name.removesuffix(f"@{variant.model}")
    if variant.tuned and variant.shots != "none" and variant.runnable is None:
        flags["family"] = "combine"  # as the keys of answers on disk have it
    return flags
