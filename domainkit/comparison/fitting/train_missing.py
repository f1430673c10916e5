"""Training the adapters that the variants need, on the training rows of the comparison, with one configuration."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from domainkit.comparison.inputs import Inputs
from domainkit.comparison.ladder import CHAINS
from domainkit.corpus.example import Example
from domainkit.errors import ConfigError
from domainkit.evaluation.variant import Variant
from domainkit.llm.chat_model import DomainLLM
from domainkit.llm.settings import base_settings
from domainkit.models import DEFAULT_BASE
from domainkit.models.source import resolve_base
from domainkit.progress import stage
from domainkit.retrieval import build_retriever, training_passages
from domainkit.storage import sha256_json
from domainkit.training.config import TrainConfig
from domainkit.training.own_process import train_apart

log = logging.getLogger("domainkit")


def train_missing(inputs: Inputs, variants: Sequence[Variant], config: TrainConfig | None, folder: Path) -> Inputs:
    """The inputs with the adapters that the variants need and that were not given, those of named models included, and
    with those of further seeds (`fit_seeds`) on the comparison's base.

    Each lies in `folder` under a name made from its rows and settings: a changed row trains again, an unchanged one
    does not. Raises ConfigError before training: without training rows, for a base that is not the comparison's, and
    for seeds of an adapter that is not trained here.
    """
    needs = {need for v in variants if v.model is None for need in v.needs}
    seeds = _further_seeds(inputs, needs, config)
    if config is None:
        return inputs
    _check(inputs, config)
    replicas = [
        _trained(inputs.examples, config.model_copy(update={"seed": seed}), folder, f"tuned-seed{seed}")
        for seed in seeds
    ]
    adapter, context_adapter = inputs.adapter, inputs.context_adapter
    if "adapter" in needs and adapter is None:
        adapter = _adapter(inputs, config, folder, in_context=False)
    if "context adapter" in needs and context_adapter is None and _has_passages(inputs):
        context_adapter = _adapter(inputs, config, folder, in_context=True)
    of_models = _trained_on_models(inputs, variants, config, folder)
    if of_models and inputs.config.fit_seeds > 1:
        names = ", ".join(dict.fromkeys(name for name, _ in of_models))
        log.warning("fit_seeds is not used by the models beside the base: %s", names)
    return replace(
        inputs,
        adapter=adapter,
        context_adapter=context_adapter,
        replicas=(*inputs.replicas, *replicas),
        model_adapters=of_models,
    )


def _trained_on_models(
    inputs: Inputs, variants: Sequence[Variant], config: TrainConfig, folder: Path
) -> dict[tuple[str, bool], Path]:
    """The adapters of the named models that variants are tuned on, with the same rows and settings."""
    wanted = {(v.model, v.context): None for v in variants if v.model is not None and v.tuned}
    found: dict[tuple[str, bool], Path] = {}
    for name, in_context in wanted:
        if in_context and not _has_passages(inputs):
            continue
        llm = inputs.models[name].model.llm
        assert isinstance(llm, DomainLLM), "no other model is tuned"
        settings = base_settings(llm)
        own: dict[str, object] = {"base": settings.base or DEFAULT_BASE, "revision": settings.revision}
        if settings.quantization != "auto":
            own["quantization"] = settings.quantization
        with stage(f"an adapter of {name}"):
            found[name, in_context] = _adapter(inputs, config.model_copy(update=own), folder, in_context=in_context)
    return found


def _has_passages(inputs: Inputs) -> bool:
    return bool(inputs.documents) or inputs.retriever is not None


def _adapter(inputs: Inputs, config: TrainConfig, folder: Path, *, in_context: bool) -> Path:
    """The adapter on bare questions, or on questions with passages."""
    if not in_context:
        return _trained(inputs.examples, config, folder, "tuned")
    # Only the last question of a row has passages: its earlier answers would teach to answer without them.
    return _trained(rows_in_context(inputs), config.model_copy(update={"turns": "last"}), folder, "context")


def rows_in_context(inputs: Inputs) -> list[Example]:
    """The training rows with the passages that the comparison's own retriever finds for them. One of the user's own
    cannot be asked for a gold passage, or for distractors alone: its rows keep what it finds."""
    config = inputs.config
    if inputs.retriever is not None:
        passages = inputs.retriever.batch([e.query for e in inputs.examples])
    else:
        retriever = build_retriever(
            inputs.documents, config.retriever, k=config.passages, chunk_words=None, embed_hours=config.embed_hours
        )
        passages = training_passages(inputs.examples, retriever, seed=config.seed)
    rows: list[Example] = CHAINS.load("context_examples")(inputs.examples, passages)
    return rows


def _further_seeds(inputs: Inputs, needs: Collection[str], config: TrainConfig | None) -> list[int]:
    """The seeds that follow the configuration's own, so that there are `fit_seeds` in all."""
    count = inputs.config.fit_seeds
    if count == 1:
        return []
    if config is None or inputs.adapter is not None or "adapter" not in needs:
        reason = "the adapter was given" if inputs.adapter is not None else "these variants train no adapter"
        raise ConfigError(
            f"fit_seeds={count}, but {reason}",
            next_step="add --fit and a tuned variant, without --adapter; or give adapters of other seeds "
            "with --replicas",
        )
    return list(range(config.seed + 1, config.seed + count))


def _check(inputs: Inputs, config: TrainConfig) -> None:
    if not inputs.examples:
        raise ConfigError("nothing to fit on: no training rows were given", next_step="give them with --train")
    if inputs.config.base not in (None, config.base):
        raise ConfigError(
            f"the comparison runs on {inputs.config.base} and the adapters would be trained on {config.base}",
            where="fit.base",
            next_step="name one base for both",
        )


def _trained(examples: Sequence[Example], config: TrainConfig, folder: Path, name: str) -> Path:
    base = resolve_base(config.base, config.revision).fingerprint
    turns = [e.model_dump(include={"turns"}, exclude_defaults=True)["turns"] for e in examples]
    settings = config.model_dump(exclude={"save_every", "report_to"})
    facts: dict[str, object] = {"base": base, "config": settings, "rows": turns}
    if any(e.task for e in examples):
        facts["tasks"] = [e.task for e in examples]
    if any(e.tools for e in examples):
        facts["tools"] = [e.tools for e in examples]
    key = sha256_json(facts)
    out = folder / f"{name}-{key[:12]}"
    train_apart(examples, config, out)
    return out
