"""Which variants run: the ladder or what is named, as far as the inputs allow it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from domainkit.adapters.folder import Adapter
from domainkit.comparison.config import CompareConfig
from domainkit.comparison.fitting.replicas import load_replicas
from domainkit.comparison.inputs import Inputs
from domainkit.comparison.ladder import ladder
from domainkit.comparison.planning.keys import identities_of
from domainkit.comparison.planning.models import LadderModel, named_variants, over_models, unused_models
from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.errors import ConfigError
from domainkit.evaluation.kinds import kind_of
from domainkit.evaluation.variant import Need, Variant
from domainkit.llm.chat_model import DomainLLM
from domainkit.llm.settings import base_settings
from domainkit.models import DEFAULT_BASE
from domainkit.models.source import resolve_base
from domainkit.registry import suggestion

log = logging.getLogger("domainkit")
NO_AGENT = "an agent calls its own tool to search, and the task's answers are calls themselves"
NO_GOLD_DOCUMENTS = "no documents were given (--corpus), among which the right one is found"
MISSING: dict[Need, str] = {
    "train": "no training rows were given (--train)",
    "adapter": "no adapter was given (--adapter)",
    "context adapter": "no adapter trained on passages was given (--context-adapter, or --fit)",
    "corpus": "no documents were given (--corpus)",
    "gold": "the task names no gold documents (doc_ids)",
}


def choose_variants(inputs: Inputs, variants: Sequence[str | Variant] | None) -> ComparisonPlan:
    """The plan for the named variants, else for all of the ladder that can run.

    Raises ConfigError for a named variant that is unknown, is named twice or cannot run; AdapterError for an
    adapter that is damaged, of another base, or not a replica.
    """
    named = _with_trivial(wanted(variants, inputs.models))
    names = [v.name for v in named]
    if len(set(names)) < len(names):
        raise ConfigError(f"a variant is named twice: {', '.join(names)}", next_step="name each variant once")
    available = _available(inputs)
    missing = {**MISSING, "encoder": inputs.why_no_encoder}
    if inputs.retriever is not None and not inputs.documents:
        available["gold"], missing["gold"] = False, NO_GOLD_DOCUMENTS
    left_out = {v.name: missing[n] for v in named for n in v.needs if not available[n] and not _is_of_model(n, v)}
    left_out |= {v.name: _no_adapter_of(v) for v in named if _lacks_adapter_of_model(v, inputs)}
    if kind_of(inputs.task.kind).trivial_needs_train and not available["train"]:
        left_out |= {v.name: MISSING["train"] for v in named if v.classical == "trivial"}
    if inputs.task.kind == "calls":
        left_out |= {v.name: NO_AGENT for v in named if v.agent}
    asked_for = {name for v in variants or () if (name := v if isinstance(v, str) else v.name) in left_out}
    if asked_for:
        name, reason = next((n, r) for n, r in left_out.items() if n in asked_for)
        step = "" if reason == NO_AGENT else "give it, or "
        raise ConfigError(f"variant '{name}' cannot run: {reason}", next_step=f"{step}leave the variant out")
    runs = tuple(v for v in named if v.name not in left_out)
    _name_what_is_not_used(inputs, runs)
    adapter = _load(inputs.adapter, inputs.config)
    return ComparisonPlan(
        inputs,
        runs,
        left_out,
        _baseline(inputs.config.baseline, [v.name for v in runs]),
        adapter,
        _load(inputs.context_adapter, inputs.config),
        tuple(load_adapter(folder, inputs.config, need_card=True) for folder in inputs.curve),
        load_replicas(adapter, inputs.replicas),
        {key: _load_of_model(inputs, key[0], folder) for key, folder in inputs.model_adapters.items()},
        identities_of(runs),
    )


def _is_of_model(need: Need, variant: Variant) -> bool:
    """Whether the need is an adapter of the variant's named model, and not of the comparison's base."""
    return variant.model is not None and need in ("adapter", "context adapter")


def _lacks_adapter_of_model(variant: Variant, inputs: Inputs) -> bool:
    return variant.tuned and variant.model is not None and (variant.model, variant.context) not in inputs.model_adapters


def _no_adapter_of(variant: Variant) -> str:
    trained = " on passages" if variant.context else ""
    return f"no adapter of the model {variant.model} was trained{trained} (--fit trains one)"


def _load_of_model(inputs: Inputs, name: str, folder: Path) -> Adapter:
    """The adapter, checked against the named model's base. Raises AdapterError."""
    llm = inputs.models[name].model.llm
    assert isinstance(llm, DomainLLM), "no other model is tuned"
    adapter, settings = Adapter.load(folder), base_settings(llm)
    base = settings.base or DEFAULT_BASE
    adapter.check_base(resolve_base(base, settings.revision).fingerprint, base)
    return adapter


def _name_what_is_not_used(inputs: Inputs, runs: Sequence[Variant]) -> None:
    """An input that no variant reads is named: it would look as if it had been compared."""
    by_name, own, on_base = [v.name for v in runs], inputs.retriever, [v for v in runs if v.model is None]
    for name in unused_models(runs, inputs.models):
        log.warning("the model %s is not used by any of the variants: %s", name, ", ".join(by_name))
    unused = {
        "adapter": inputs.adapter and not any(v.tuned and not v.context for v in on_base),
        "context_adapter": inputs.context_adapter and not any(v.context for v in on_base),
        "curve": inputs.curve and "tuned" not in by_name,
        "replicas": inputs.replicas and not any(v.tuned and not v.context for v in on_base),
        "corpus": inputs.documents and not any(v.oracle or (v.retrieve and own is None) for v in runs),
        "retriever": own is not None and not any(v.retrieve and not v.oracle for v in runs),
    }
    if own is not None and not any(v.oracle for v in runs):
        cut = inputs.config.model_fields_set & {"passage_words", "embed_hours"}
        unused |= dict.fromkeys(sorted(cut), True)  # its passages are as long as it gives them
    for name in (name for name, is_unused in unused.items() if is_unused):
        log.warning("%s is not used by any of the variants: %s", name, ", ".join(v.name for v in runs))
    if "decoding" in inputs.config.model_fields_set and not kind_of(inputs.task.kind).constraint(inputs.task):
        held = "calls are always held to their tools" if inputs.task.kind == "calls" else "no grammar holds its answers"
        log.warning("decoding is not used in a task of the kind %s: %s", inputs.task.kind, held)


def load_adapter(folder: Path, config: CompareConfig, *, need_card: bool) -> Adapter:
    """The adapter, checked against the base it is to run on. Raises AdapterError."""
    adapter = Adapter.load(folder, need_card=need_card)
    base = config.base or (adapter.card.base if adapter.card else "")
    adapter.check_base(resolve_base(base, config.revision).fingerprint, base)
    return adapter


def _load(folder: Path | None, config: CompareConfig) -> Adapter | None:
    # Without a card its base must be named.
    return None if folder is None else load_adapter(folder, config, need_card=config.base is None)


def _available(inputs: Inputs) -> dict[Need, bool]:
    return {
        "train": bool(inputs.solved),
        "encoder": bool(inputs.encoder),
        "adapter": bool(inputs.adapter),
        "context adapter": bool(inputs.context_adapter),
        "corpus": bool(inputs.documents) or inputs.retriever is not None,
        "gold": any(s.doc_ids for s in inputs.task.samples),
    }


def wanted(variants: Sequence[str | Variant] | None, models: Mapping[str, LadderModel]) -> list[Variant]:
    """The variants that the list means, else the ladder: those that cannot run, too. Raises ConfigError for an unknown
    one."""
    if variants is None:
        return over_models([v for v in ladder().values() if v.default], models)
    if isinstance(variants, str) or not isinstance(variants, Sequence) or not variants:
        raise ConfigError(
            f"{variants!r} is not a list of variants", where="variants", next_step="name some, or leave it out for all"
        )
    return named_variants(variants, models)


def _with_trivial(named: list[Variant]) -> list[Variant]:
    """Every variant is compared with what needs no model, asked for or not."""
    if any(v.classical == "trivial" for v in named):
        return named
    return [
        *named,
        *(v for v in ladder().values() if v.classical == "trivial" and v.name not in {n.name for n in named}),
    ]


def _baseline(declared: str | None, names: Sequence[str]) -> str:
    if declared is not None and declared not in names:
        raise ConfigError(f"the baseline '{declared}' is not among the variants", next_step=suggestion(declared, names))
    known = ("few-shot", "zero-shot")
    on_models = [n for k in known for n in names if n.startswith(f"{k}@")]
    return declared or next((n for n in (*known, *on_models) if n in names), names[0])
