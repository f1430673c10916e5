"""Training the adapters that the variants need, on the training rows of the comparison, with one configuration."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from domainkit.comparison.inputs import Inputs
from domainkit.comparison.ladder import CHAINS
from domainkit.corpus.example import Example
from domainkit.errors import ConfigError
from domainkit.models.source import resolve_base
from domainkit.retrieval import build_retriever, training_passages
from domainkit.storage import sha256_json
from domainkit.training.config import TrainConfig
from domainkit.training.own_process import train_apart


def train_missing(inputs: Inputs, needs: Collection[str], config: TrainConfig | None, folder: Path) -> Inputs:
    """The inputs with the adapters that `needs` names and that were not given, and with those of further seeds
    (`fit_seeds`).

    Each lies in `folder` under a name made from its rows and settings: a changed row trains again, an unchanged one
    does not. Raises ConfigError before training: without training rows, for a base that is not the comparison's, and
    for seeds of an adapter that is not trained here.
    """
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
        adapter = _trained(inputs.examples, config, folder, "tuned")
    if "context adapter" in needs and context_adapter is None and (inputs.documents or inputs.retriever):
        # Only the last question of a row has passages: its earlier answers would teach to answer without them.
        last = config.model_copy(update={"turns": "last"})
        context_adapter = _trained(rows_in_context(inputs), last, folder, "context")
    return replace(inputs, adapter=adapter, context_adapter=context_adapter, replicas=(*inputs.replicas, *replicas))


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
