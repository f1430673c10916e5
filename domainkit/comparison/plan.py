"""Which variants run, with which model and chain, and under which content key."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from domainkit.adapters.folder import Adapter, Card
from domainkit.comparison.config import CompareConfig
from domainkit.comparison.fitting.replicas import load_replicas
from domainkit.comparison.fitting.simple_models import Chosen, SimpleModels
from domainkit.comparison.inputs import Inputs
from domainkit.comparison.ladder import CHAINS, find_variant, ladder
from domainkit.corpus.example import Example
from domainkit.errors import ConfigError
from domainkit.evaluation.answers_on_disk import Progress
from domainkit.evaluation.identity import identity_of
from domainkit.evaluation.kinds import kind_of
from domainkit.evaluation.variant import Answerer, Need, Variant
from domainkit.llm.chat_model import DomainLLM
from domainkit.messages import JsonObject, written
from domainkit.models.source import resolve_base
from domainkit.registry import suggestion
from domainkit.retrieval import RETRIEVERS, GoldRetriever, MiniLMEmbeddings, build_retriever, nearest_examples
from domainkit.storage import sha256_json

if TYPE_CHECKING:
    from domainkit.retrieval import NearestExamples

log = logging.getLogger("domainkit")
MODELS = 2
"""Version of the models without a language model: a change of their answers needs another."""
ROOM = 1.5
"""An answer may be half as long again as the longest training target."""
NO_AGENT = "an agent calls its own tool to search, and the task's answers are calls themselves"
MISSING: dict[Need, str] = {
    "train": "no training rows were given (--train)",
    "adapter": "no adapter was given (--adapter)",
    "context adapter": "no adapter trained on passages was given (--context-adapter, or --fit)",
    "corpus": "no documents were given (--corpus)",
    "gold": "the task names no gold documents (doc_ids)",
}


@dataclass(frozen=True)
class ComparisonPlan:
    """The variants that run and what answers for them. Models and indexes are made when they are first used."""

    inputs: Inputs
    variants: tuple[Variant, ...]
    """In the ladder's order."""
    left_out: dict[str, str]
    """Variants of the ladder that cannot run, with the reason."""
    baseline: str
    adapter: Adapter | None = None
    context_adapter: Adapter | None = None
    smaller: tuple[Adapter, ...] = ()
    """Trained on smaller parts of the training rows, for the learning curve."""
    replicas: tuple[Adapter, ...] = ()
    """Trained as `adapter` was, with other seeds."""
    identities: Mapping[str, str | None] = field(default_factory=dict)
    """What tells a variant's own Runnable from another, by variant; None where it cannot be told."""
    on_progress: Progress | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    """Those of an earlier comparison, in place of today's."""
    chosen_shots: bool = False
    """Whether the training rows are only those of a few-shot prompt, in its order."""
    chosen: Chosen | None = None
    """The models without a language model that an earlier comparison chose."""
    run: str = field(default_factory=lambda: uuid4().hex)
    """Of this plan alone: answers under it are never used again."""

    @property
    def card(self) -> Card | None:
        """The card of the adapter that names the base."""
        adapter = self.adapter or self.context_adapter
        return adapter.card if adapter else None

    def adapter_of(self, variant: Variant) -> Adapter | None:
        """The adapter that the variant answers with."""
        if not variant.tuned:
            return None
        return self.context_adapter if variant.context else self.adapter

    def llm_of(self, variant: Variant, adapter: Adapter | None = None) -> DomainLLM:
        """The model that answers for the variant, with `adapter` in place of the variant's own."""
        if adapter is not None:
            return self._llm(adapter.card).model_copy(update={"adapter": str(adapter.folder)})
        adapter = self.adapter_of(variant)
        return self.llm_with(adapter) if adapter else self.base_llm

    def llm_with(self, adapter: Adapter) -> DomainLLM:
        return self.base_llm.model_copy(update={"adapter": str(adapter.folder)})

    @cached_property
    def base_llm(self) -> DomainLLM:
        """The base model as the config, else the adapter's card names it."""
        return self._llm(self.card)

    def _llm(self, card: Card | None) -> DomainLLM:
        config = self.inputs.config
        # The card has a plain text; DomainLLM checks that it is a quantization.
        trained: Any = card.quantization if card else "auto"
        return DomainLLM(
            base=config.base or (card.base if card else None),
            revision=config.revision,
            quantization=config.quantization or trained,
            temperature=0.0,
            max_tokens=self.max_tokens,
            seed=config.seed,
        )

    @cached_property
    def max_tokens(self) -> int:
        """Room for an answer and its reasoning: from the training targets when there are any, in the base's tokens."""
        config, examples, card = self.inputs.config, self.inputs.examples, self.card
        if config.max_tokens:
            return config.max_tokens
        if not examples:
            return kind_of(self.inputs.task.kind).answer_tokens
        counter = DomainLLM(base=config.base or (card.base if card else None), revision=config.revision)
        longest = sorted({e.turns[-1].reasoning + written(e.turns[-1]) for e in examples}, key=len)[-20:]
        return max(8, round(ROOM * max(len(counter.get_token_ids(t)) for t in longest)) + 2)

    def runnable(self, variant: Variant, adapter: Adapter | None = None) -> Answerer:
        """What answers for the variant: its own runnable, a fitted classical model, or its chain."""
        if variant.runnable is not None:
            return variant.runnable
        if variant.classical != "none":
            return self.simple.model(variant)
        parts = self.parts if adapter is None else replace(self.parts, tuned=self._bound(self.llm_of(variant, adapter)))
        chain: Answerer = CHAINS.load("build_chain")(variant, parts)
        return chain

    @cached_property
    def simple(self) -> SimpleModels:
        return SimpleModels(self.inputs, self.chosen)

    @cached_property
    def parts(self) -> Any:
        """`chains.Parts`, which domainkit knows by name only: what the chains of these variants are built from."""
        inputs, config = self.inputs, self.inputs.config
        needs = {need for v in self.variants for need in v.needs}
        retriever = None
        if any(v.retrieve and not v.oracle for v in self.variants):
            # They are passages already, of the length that the configuration says.
            retriever = build_retriever(
                inputs.documents,
                config.retriever,
                k=config.passages,
                chunk_words=None,
                embed_hours=config.embed_hours,
                on_progress=self.on_progress,
            )
        return CHAINS.load("parts")(
            base=self._bound(self.base_llm),
            tuned=self._bound(self.llm_with(self.adapter)) if self.adapter else None,
            in_context=self._bound(self.llm_with(self.context_adapter)) if self.context_adapter else None,
            searcher=self.base_llm,
            kind=inputs.task.kind,
            labels=inputs.task.labels,
            values=kind_of(inputs.task.kind).prompt_values(inputs.task),
            examples=inputs.solved,
            chosen=self.chosen_shots,
            nearest=self._nearest_last if any(v.shots == "nearest" for v in self.variants) else None,
            retriever=retriever,
            oracle=self._oracle() if "gold" in needs else None,
            shots=config.shots,
            seed=config.seed,
            prompts=dict(self.prompts),
        )

    def _bound(self, llm: DomainLLM) -> Any:
        """The model itself where nothing is bound: agents bind tools to a chat model, not to a binding."""
        task = self.inputs.task
        held = kind_of(task.kind).constraint(task) if self.inputs.config.decoding == "closed" else {}
        return llm.bind(**held) if held else llm

    @cached_property
    def nearest(self) -> NearestExamples:
        """Finds the solved examples nearest to a question."""
        return nearest_examples(self.inputs.solved, k=self.inputs.config.shots)

    def prepare(self) -> None:
        """Build the indexes now that the first question would build."""
        if any(v.shots == "nearest" for v in self.variants):
            self.nearest.nearest_many([])

    def _nearest_last(self, questions: Sequence[str]) -> list[list[Example]]:
        """A small model relies on what it read most recently."""
        return [examples[::-1] for examples in self.nearest.nearest_many(questions)]

    def _oracle(self) -> GoldRetriever:
        inputs = self.inputs
        gold = {s.query: s.doc_ids for s in inputs.task.samples}
        # Questions that are timed come from the training rows.
        gold |= {e.query: e.doc_ids for e in inputs.examples if e.query not in gold}
        return GoldRetriever(documents=inputs.documents, k=inputs.config.passages, gold=gold)

    def key(self, variant: Variant, adapter: Adapter | None = None) -> str:
        """Content key: equal keys mean equal answers to the same question, so an answer on disk may stand for a new
        one."""
        inputs, config = self.inputs, self.inputs.config
        facts: JsonObject = {"variant": _flags(variant), "task_kind": inputs.task.kind}
        if variant.runnable is not None:
            identity = self.identities.get(variant.name)
            return sha256_json({**facts, "custom": variant.name, "identity": identity or self.run})
        if "train" in variant.needs or variant.classical != "none":
            rows = [e.model_dump(include={"turns"}, exclude_defaults=True)["turns"] for e in inputs.examples]
            facts["train"] = sha256_json(rows)
            if any(e.query != e.question for e in inputs.examples):
                facts["compared_by"] = "query"
        if variant.classical != "none":
            # What a metric scores decides which of the models is chosen.
            facts["chosen_by"] = self.simple.chosen_by
            facts["models"] = [MODELS, self.simple.identity_of(variant)]
            return sha256_json(facts)
        facts |= {
            "model": self.llm_of(variant, adapter).identity(),
            "labels": inputs.task.labels,
            "prompts": {name: self.parts.prompt(name) for name in (inputs.task.kind, "context")},
            "settings": config.model_dump(include={"decoding", "seed"}),
            "max_tokens": self.max_tokens,
        }
        if inputs.task.json_schema is not None:
            facts["json_schema"] = inputs.task.json_schema
        if variant.shots != "none":
            facts["shots"] = config.shots
        if variant.shots == "nearest" or (variant.retrieve and config.retriever in ("dense", "fused")):
            facts["embeddings"] = MiniLMEmbeddings().identity()
        if variant.retrieve:
            if not RETRIEVERS[config.retriever].startswith("domainkit."):
                facts["retriever"] = identity_of(RETRIEVERS.load(config.retriever)) or self.run
            facts["corpus"] = sha256_json([d.model_dump(include={"id", "title", "text"}) for d in inputs.documents])
            facts["retrieval"] = config.model_dump(include={"passages", "retriever"})
        if variant.agent:
            facts["tool"] = CHAINS.load("agent tool")
        return sha256_json(facts)


def _identities(variants: Sequence[Variant]) -> dict[str, str | None]:
    """Read before anything is asked: a Runnable may keep a state of its own."""
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
    silent = {"runnable", "description", "default", "identity"}
    silent |= {flag for flag in ("agent", "oracle", "context") if not getattr(variant, flag)}
    flags = variant.model_dump(exclude=silent)
    if variant.tuned and variant.shots != "none" and variant.runnable is None:
        flags["family"] = "combine"  # as the keys of answers on disk have it
    return flags


def needs_of(variants: Sequence[str | Variant] | None) -> set[Need]:
    """Everything that some variant needs. Raises ConfigError for an unknown one."""
    return {need for variant in _named(variants) for need in variant.needs}


def choose_variants(inputs: Inputs, variants: Sequence[str | Variant] | None) -> ComparisonPlan:
    """The plan for the named variants, else for all of the ladder that can run.

    Raises ConfigError for a named variant that is unknown, is named twice or cannot run; AdapterError for an
    adapter that is damaged, of another base, or not a replica.
    """
    named = _with_trivial(_named(variants))
    names = [v.name for v in named]
    if len(set(names)) < len(names):
        raise ConfigError(f"a variant is named twice: {', '.join(names)}", next_step="name each variant once")
    available = _available(inputs)
    missing = {**MISSING, "encoder": inputs.why_no_encoder}
    left_out = {v.name: missing[n] for v in named for n in v.needs if not available[n]}
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
        _identities(runs),
    )


def _name_what_is_not_used(inputs: Inputs, runs: Sequence[Variant]) -> None:
    """An input that no variant reads is named: it would look as if it had been compared."""
    by_name = {v.name for v in runs}
    unused = {
        "adapter": inputs.adapter and not any(v.tuned and not v.context for v in runs),
        "context_adapter": inputs.context_adapter and not any(v.context for v in runs),
        "curve": inputs.curve and "tuned" not in by_name,
        "replicas": inputs.replicas and not any(v.tuned and not v.context for v in runs),
        "corpus": inputs.documents and not any(v.retrieve for v in runs),
    }
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
        "corpus": bool(inputs.documents),
        "gold": any(s.doc_ids for s in inputs.task.samples),
    }


def _named(variants: Sequence[str | Variant] | None) -> list[Variant]:
    if variants is None:
        return [v for v in ladder().values() if v.default]
    if isinstance(variants, str) or not isinstance(variants, Sequence) or not variants:
        raise ConfigError(
            f"{variants!r} is not a list of variants", where="variants", next_step="name some, or leave it out for all"
        )
    return [v if isinstance(v, Variant) else find_variant(v) for v in variants]


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
    return declared or next((n for n in ("few-shot", "zero-shot") if n in names), names[0])
