"""Which variants run, on what, and under which content key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from domainkit.adapters.folder import Adapter, Card
from domainkit.comparison.config import CompareConfig
from domainkit.comparison.ladder import CHAINS, find_variant, ladder
from domainkit.corpus.document import Document
from domainkit.corpus.example import Example
from domainkit.errors import ConfigError
from domainkit.evaluation.metrics import MetricSet, metric_set
from domainkit.evaluation.task import Task
from domainkit.evaluation.variant import Variant
from domainkit.llm.chat_model import DomainLLM
from domainkit.models.source import resolve_base
from domainkit.registry import near
from domainkit.retrieval import GoldRetriever, build_retriever, nearest_examples
from domainkit.storage import sha256_json

ROOM = 1.5  # an answer may be half as long again as the longest training target
DEFAULT_MAX_TOKENS = 32
MISSING = {
    "train": "no training rows were given (--train)",
    "adapter": "no adapter was given (--adapter)",
    "context adapter": "no adapter trained on passages was given (--context-adapter, or --fit)",
    "corpus": "no documents were given (--corpus)",
    "gold": "the task names no gold documents (doc_ids)",
}


@dataclass(frozen=True)
class Material:
    """What a comparison is given."""

    task: Task
    examples: tuple[Example, ...]
    documents: tuple[Document, ...]
    adapter: Path | None
    config: CompareConfig
    dev: tuple[Example, ...] = ()
    context_adapter: Path | None = None
    """The adapter that was trained with passages in its prompts."""


@dataclass(frozen=True)
class Plan:
    """The variants that run, in the ladder's order, and those left out with the reason."""

    material: Material
    variants: tuple[Variant, ...]
    left_out: dict[str, str]
    baseline: str

    @cached_property
    def metrics(self) -> MetricSet:
        return metric_set(self.material.task, self.material.config.metrics)

    @cached_property
    def adapter(self) -> Adapter | None:
        """The adapter, checked against the base it is to run on; without a card its base must be named."""
        return self._checked(self.material.adapter)

    @cached_property
    def context_adapter(self) -> Adapter | None:
        """The adapter trained on passages, checked alike."""
        return self._checked(self.material.context_adapter)

    def _checked(self, folder: Path | None) -> Adapter | None:
        config = self.material.config
        if folder is None:
            return None
        found = Adapter.load(folder, need_card=config.base is None)
        base = config.base or (found.card.base if found.card else "")
        found.check_base(resolve_base(base, config.revision).fingerprint, base)
        return found

    @property
    def card(self) -> Card | None:
        """The card of the adapter that names the base."""
        adapter = self.adapter or self.context_adapter
        return adapter.card if adapter else None

    @cached_property
    def base_llm(self) -> DomainLLM:
        """The base model as its card or the config names it."""
        config = self.material.config
        card = self.card
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
    def tuned_llm(self) -> DomainLLM | None:
        return self.base_llm.model_copy(update={"adapter": str(self.material.adapter)}) if self.adapter else None

    @cached_property
    def context_llm(self) -> DomainLLM | None:
        folder = str(self.material.context_adapter)
        return self.base_llm.model_copy(update={"adapter": folder}) if self.context_adapter else None

    def llm_of(self, variant: Variant) -> DomainLLM:
        """The model that answers for the variant."""
        adapted = self.context_llm if variant.context else self.tuned_llm
        return adapted if variant.tuned and adapted else self.base_llm

    @cached_property
    def max_tokens(self) -> int:
        """Room for an answer: from the training targets when there are any. Counted with the base's own tokenizer."""
        config, examples = self.material.config, self.material.examples
        if config.max_tokens:
            return config.max_tokens
        if not examples:
            return DEFAULT_MAX_TOKENS
        card = self.card
        counter = DomainLLM(base=config.base or (card.base if card else None), revision=config.revision)
        longest = sorted({e.target for e in examples}, key=len)[-20:]
        return max(8, round(ROOM * max(len(counter.get_token_ids(t)) for t in longest)) + 2)

    @cached_property
    def parts(self) -> Any:
        m = self.material
        uses = {need for v in self.variants for need in v.needs}
        bound = {"choices": list(m.task.labels)} if m.task.kind == "label" and m.config.decoding == "closed" else {}
        nearest = None
        if any(v.shots == "nearest" for v in self.variants):
            finder = nearest_examples(m.examples, k=m.config.shots)
            # Nearest last: a small model leans on what it read most recently.
            nearest = lambda questions: [found[::-1] for found in finder.nearest_many(questions)]  # noqa: E731
        return CHAINS.load("parts")(
            base=_bind(self.base_llm, bound),
            tuned=_bind(self.tuned_llm, bound) if self.tuned_llm else None,
            in_context=_bind(self.context_llm, bound) if self.context_llm else None,
            searcher=self.base_llm,
            kind=m.task.kind,
            labels=m.task.labels,
            examples=m.examples,
            nearest=nearest,
            retriever=build_retriever(m.documents, kind=m.config.retriever, k=m.config.passages)
            if "corpus" in uses
            else None,
            oracle=self._oracle() if "gold" in uses else None,
            shots=m.config.shots,
            seed=m.config.seed,
        )

    def _oracle(self) -> GoldRetriever:
        m = self.material
        gold = {s.input: s.doc_ids for s in m.task.samples}
        # Questions of the latency stage come from train.
        gold |= {e.question: e.doc_ids for e in m.examples if e.question not in gold}
        return GoldRetriever(documents=m.documents, k=m.config.passages, gold=gold)

    def chain(self, variant: Variant) -> Any:
        return CHAINS.load("build_chain")(variant, self.parts)

    def key(self, variant: Variant) -> str:
        """Content key: equal keys mean equal answers, so an answer on disk may stand for a new one."""
        m, config = self.material, self.material.config
        # Only what changes an answer: a flag that is off leaves the keys of answers given before it existed.
        silent = {"runnable", "description", "default"}
        silent |= {flag for flag in ("agent", "oracle", "context") if not getattr(variant, flag)}
        flags = variant.model_dump(exclude=silent)
        if variant.tuned and variant.shots != "none" and variant.runnable is None:
            flags["family"] = "combine"  # as the keys of answers on disk have it
        facts: dict[str, Any] = {"variant": flags, "task_kind": m.task.kind}
        if variant.runnable is not None:
            return sha256_json({**facts, "custom": variant.name})
        if "train" in variant.needs:
            facts["train"] = sha256_json([[t.model_dump(exclude_defaults=True) for t in e.turns] for e in m.examples])
        if variant.family == "classical":
            return sha256_json(facts)
        facts |= {
            "model": self.llm_of(variant).identity(),
            "labels": m.task.labels if m.task.kind == "label" else (),
            "prompts": {name: self.parts.prompt(name) for name in (m.task.kind, "context")},
            "settings": config.model_dump(include={"decoding", "seed"}),
            "max_tokens": self.max_tokens,
        }
        if variant.shots != "none":
            facts["shots"] = config.shots
        if variant.retrieve:
            facts["corpus"] = sha256_json([d.model_dump(include={"id", "title", "text"}) for d in m.documents])
            facts["retrieval"] = config.model_dump(include={"passages", "retriever"})
        if variant.oracle:
            facts["gold"] = [s.doc_ids for s in m.task.samples]
        if variant.agent:
            facts["tool"] = CHAINS.load("agent tool")
        return sha256_json(facts)


def needs_of(wanted: Sequence[str | Variant] | None) -> set[str]:
    """Everything that some wanted variant needs. Raises ConfigError for an unknown one."""
    return {need for variant in _chosen(wanted) for need in variant.needs}


def make_plan(material: Material, wanted: Sequence[str | Variant] | None) -> Plan:
    """Choose the variants and the baseline. An unknown or impossible wanted variant is a ConfigError; of the whole ladder,
    what cannot run is left out with its reason."""
    chosen = _chosen(wanted)
    names = [v.name for v in chosen]
    if len(set(names)) < len(names):
        raise ConfigError(f"a variant is named twice: {', '.join(names)}", next_step="name each variant once")
    have = {
        "train": bool(material.examples),
        "adapter": bool(material.adapter),
        "context adapter": bool(material.context_adapter),
        "corpus": bool(material.documents),
        "gold": any(s.doc_ids for s in material.task.samples),
    }
    left_out = {v.name: MISSING[n] for v in chosen for n in v.needs if not have[n]}
    if wanted and left_out:
        name, why = next(iter(left_out.items()))
        raise ConfigError(f"variant '{name}' cannot run: {why}", next_step="give it, or leave the variant out")
    variants = tuple(v for v in chosen if v.name not in left_out)
    return Plan(material, variants, left_out, _baseline(material.config.baseline, [v.name for v in variants]))


def _bind(llm: DomainLLM, settings: dict[str, Any]) -> Any:
    """The model itself where nothing is bound: agents bind tools to a chat model, not to a binding."""
    return llm.bind(**settings) if settings else llm


def _chosen(wanted: Sequence[str | Variant] | None) -> list[Variant]:
    if not wanted:
        return [v for v in ladder().values() if v.default]
    return [v if isinstance(v, Variant) else find_variant(v) for v in wanted]


def _baseline(declared: str | None, names: Sequence[str]) -> str:
    if declared is not None and declared not in names:
        raise ConfigError(f"the baseline '{declared}' is not among the variants", next_step=near(declared, names))
    return declared or next((n for n in ("few-shot", "zero-shot") if n in names), names[0])
