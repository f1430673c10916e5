"""Training what a comparison needs: the adapters its variants name, on its own training rows, under one configuration."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from domainkit.comparison.ladder import CHAINS
from domainkit.comparison.plan import Material
from domainkit.corpus.example import Example
from domainkit.errors import ConfigError
from domainkit.models.source import resolve_base
from domainkit.retrieval import build_retriever, training_passages
from domainkit.storage import sha256_json
from domainkit.training.config import TrainConfig
from domainkit.training.train import train


def fit_adapters(material: Material, needs: Collection[str], config: TrainConfig, folder: Path) -> Material:
    """The material with the adapters that `needs` names and that were not given.

    Each lies in `folder` under a name made from its rows and settings, so a changed row trains anew and an unchanged one never does.
    Raises ConfigError without training rows, or for a base that is not the comparison's.
    """
    _check(material, config)
    if "adapter" in needs and material.adapter is None:
        material = replace(material, adapter=_fitted(material.examples, config, folder, "tuned"))
    if "context adapter" in needs and material.context_adapter is None and material.documents:
        rows = rows_in_context(material)
        material = replace(material, context_adapter=_fitted(rows, config, folder, "context"))
    return material


def fit_replicas(material: Material, needs: Collection[str], config: TrainConfig | None, folder: Path) -> list[Path]:
    """Further adapters as `fit_adapters` trains, with the seeds that follow, so that there are `fit_seeds` in all.

    Raises ConfigError where they would be alike to nothing, before anything is trained.
    """
    count = material.config.fit_seeds
    if count == 1:
        return []
    if config is None or material.adapter is not None or "adapter" not in needs:
        given = (
            "the adapter was given" if material.adapter is not None else "no adapter of these variants is to be trained"
        )
        raise ConfigError(
            f"fit_seeds={count}, but {given}",
            next_step="add --fit and a tuned variant, without --adapter; or give adapters of other seeds with --replicas",
        )
    _check(material, config)
    seeds = range(config.seed + 1, config.seed + count)
    return [
        _fitted(material.examples, config.model_copy(update={"seed": seed}), folder, f"tuned-seed{seed}")
        for seed in seeds
    ]


def rows_in_context(material: Material) -> list[Example]:
    """The training rows behind the passages that the comparison's own retriever finds for them."""
    config = material.config
    retriever = build_retriever(material.documents, kind=config.retriever, k=config.passages, chunk_words=None)
    passages = training_passages(material.examples, retriever, seed=config.seed)
    rows: list[Example] = CHAINS.load("context_examples")(material.examples, passages)
    return rows


def _check(material: Material, config: TrainConfig) -> None:
    """Nothing is trained that could not be compared."""
    if not material.examples:
        raise ConfigError("nothing to fit on: no training rows were given", next_step="give them with --train")
    if material.config.base not in (None, config.base):
        raise ConfigError(
            f"the comparison runs on {material.config.base} and the adapters would be trained on {config.base}",
            where="fit.base",
            next_step="name one base for both",
        )


def _fitted(examples: Sequence[Example], config: TrainConfig, folder: Path, name: str) -> Path:
    base = resolve_base(config.base, config.revision).fingerprint
    turns = [[turn.model_dump(exclude_defaults=True) for turn in e.turns] for e in examples]
    key = sha256_json({"base": base, "config": config.model_dump(exclude={"save_every"}), "rows": turns})
    out = folder / f"{name}-{key[:12]}"
    train(examples, config, out, resume=True)
    return out


__all__ = ["fit_adapters", "fit_replicas", "rows_in_context"]
