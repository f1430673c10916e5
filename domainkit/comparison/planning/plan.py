"""The plan of a comparison: its variants, and the model and chain that answer for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from domainkit.adapters.folder import Adapter, Card
from domainkit.comparison.fitting.simple_models import Chosen, SimpleModels
from domainkit.comparison.inputs import Inputs
from domainkit.comparison.ladder import CHAINS
from domainkit.comparison.planning.keys import content_key
from domainkit.comparison.planning.model_settings import limited, room_to_think, with_thinking
from domainkit.corpus.example import Example
from domainkit.evaluation.answers_on_disk import Progress
from domainkit.evaluation.kinds import kind_of
from domainkit.evaluation.variant import Answerer, Variant
from domainkit.llm.chat_model import DomainLLM
from domainkit.llm.held_answers import held_by, hold
from domainkit.llm.named_model import runs_here
from domainkit.messages import JsonObject, written
from domainkit.results.models import Held
from domainkit.retrieval import GoldRetriever, build_retriever, nearest_examples
from domainkit.storage import sha256_json

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.retrievers import BaseRetriever

    from domainkit.retrieval import NearestExamples

ROOM = 1.5
"""An answer may be half as long again as the longest training target."""
SERVED_ROOM = 2
"""A server's model counts in tokens of its own, which we may not have: the same text may take twice as many."""
OWN_SETTINGS = ("temperature", "top_p", "stop", "seed", "template_options")
"""Of a DomainLLM: what changes its answers, beside its weights and its limit."""


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
    model_adapters: Mapping[tuple[str, bool], Adapter] = field(default_factory=dict)
    """Of the named models, by name and whether passages were in their training prompts."""
    identities: Mapping[str, str | None] = field(default_factory=dict)
    """What tells a variant's own Runnable from another, by variant; None where it cannot be told."""
    on_progress: Progress | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    """Those of an earlier comparison, in place of today's."""
    chosen_shots: bool = False
    """Whether the training rows are only those of a few-shot prompt, in its order."""
    chosen: Chosen | None = None
    """The models without a language model that an earlier comparison chose."""
    named: dict[str, BaseChatModel] = field(default_factory=dict)
    """The named models with the comparison's settings, as far as they were needed."""
    measuring: bool = False
    """Whether its own models answer nothing, and measure their prompts."""
    served: JsonObject = field(default_factory=dict)
    """What the handshake with the server found, for the results."""
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
        if variant.model is not None:
            return self.model_adapters[variant.model, variant.context]
        return self.context_adapter if variant.context else self.adapter

    def llm_of(self, variant: Variant, adapter: Adapter | None = None) -> DomainLLM:
        """The model that answers for the variant, with `adapter` in place of the variant's own."""
        if adapter is not None:
            return _as_trained(self._llm(adapter.card), adapter)
        adapter = self.adapter_of(variant)
        return self.llm_with(adapter) if adapter else self.base_llm

    def model_of(self, variant: Variant) -> BaseChatModel:
        """The chat model that answers for the variant: the model that it names, with its adapter, else `llm_of`."""
        if variant.model is None:
            return self.llm_of(variant)
        llm, adapter = self._named(variant.model), self.adapter_of(variant)
        return _as_trained(llm, adapter) if adapter is not None and isinstance(llm, DomainLLM) else llm

    def untrained_of(self, variant: Variant) -> BaseChatModel:
        """The same without the adapter."""
        return self.base_llm if variant.model is None else self._named(variant.model)

    def identity_of_model(self, variant: Variant) -> list[object]:
        """What the answers of the variant's named model depend on."""
        assert variant.model is not None
        llm, thinks = self.model_of(variant), self.inputs.config.thinking
        if not isinstance(llm, DomainLLM):
            return [self.inputs.models[variant.model].model.key, *([] if thinks is None else [{"thinking": thinks}])]
        return [llm.identity(), {field: getattr(llm, field) for field in OWN_SETTINGS}]

    def digest_of_model(self, name: str) -> str:
        """Of the named model without an adapter."""
        return sha256_json(self.identity_of_model(Variant(name=name, model=name, description="The model alone.")))

    def max_tokens_of(self, name: str) -> int | None:
        """Room for an answer of the named model, in its own tokens; None where its provider's limit stands."""
        config, llm = self.inputs.config, self.inputs.models[name].model.llm
        if config.max_tokens or not isinstance(llm, DomainLLM):
            # The tokens of a provider's model are not ours, and its reasoning counts among them: no limit that is
            # made from our tokens may cut its answer.
            return config.max_tokens
        if "max_tokens" in llm.model_fields_set:
            return llm.max_tokens
        if llm.backend != "local":
            return SERVED_ROOM * self.max_tokens
        return self._counted_by(llm) + room_to_think(config.thinking)

    def _named(self, name: str) -> BaseChatModel:
        """The named model with the comparison's settings, where it has none of its own."""
        if name not in self.named:
            llm, limit = self.inputs.models[name].model.llm, self.max_tokens_of(name)
            if isinstance(llm, DomainLLM):
                ours = {"temperature": 0.0, "seed": self.inputs.config.seed, "thinking": self.inputs.config.thinking}
                kept = {k: v for k, v in ours.items() if k not in llm.model_fields_set}
                llm = llm.model_copy(update={**kept, "max_tokens": limit})
            else:
                llm = llm if limit is None else limited(llm, limit, name)
                thinks = self.inputs.config.thinking
                llm = llm if thinks is None else with_thinking(llm, thinks, name)
            self.named[name] = llm
        return self.named[name]

    def llm_with(self, adapter: Adapter) -> DomainLLM:
        return _as_trained(self.base_llm, adapter)

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
            server=config.server,
            backend="prompt lengths" if self.measuring else "local",
            temperature=0.0,
            max_tokens=self.max_tokens,
            thinking=config.thinking,
            seed=config.seed,
        )

    @cached_property
    def max_tokens(self) -> int:
        """Room for an answer and its reasoning: from the training targets when there are any, in the base's tokens."""
        config, card = self.inputs.config, self.card
        if config.max_tokens:
            return config.max_tokens
        counter = DomainLLM(base=config.base or (card.base if card else None), revision=config.revision)
        return self._counted_by(counter) + room_to_think(config.thinking)

    def _counted_by(self, counter: DomainLLM) -> int:
        examples = self.inputs.examples
        if not examples:
            return kind_of(self.inputs.task.kind).answer_tokens
        longest = sorted({e.turns[-1].reasoning + written(e.turns[-1]) for e in examples}, key=len)[-20:]
        return max(8, round(ROOM * max(len(counter.get_token_ids(t)) for t in longest)) + 2)

    def runnable(self, variant: Variant, adapter: Adapter | None = None) -> Answerer:
        """What answers for the variant: its own runnable, a fitted classical model, or its chain."""
        if variant.runnable is not None:
            return variant.runnable
        if variant.classical != "none":
            return self.simple.model(variant)
        parts = self.parts
        if adapter is not None:
            parts = replace(parts, tuned=self._bound(self.llm_of(variant, adapter)))
        if variant.model is not None:
            llm = self._named(variant.model)
            tuned = self._bound(self.model_of(variant)) if variant.tuned else None
            parts = replace(parts, base=self._bound(llm), searcher=llm, tuned=tuned, in_context=tuned)
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
        return CHAINS.load("parts")(
            base=self._bound(self.base_llm) if any(v.uses_base for v in self.variants) else None,
            tuned=self._bound(self.llm_with(self.adapter)) if self.adapter else None,
            in_context=self._bound(self.llm_with(self.context_adapter)) if self.context_adapter else None,
            searcher=self.base_llm if any(v.agent and v.uses_base for v in self.variants) else None,
            kind=inputs.task.kind,
            labels=inputs.task.labels,
            values=kind_of(inputs.task.kind).prompt_values(inputs.task),
            examples=inputs.solved,
            chosen=self.chosen_shots,
            nearest=self._nearest_last if any(v.shots == "nearest" for v in self.variants) else None,
            retriever=self._retriever() if any(v.retrieve and not v.oracle for v in self.variants) else None,
            oracle=self._oracle() if "gold" in needs else None,
            shots=config.shots,
            seed=config.seed,
            prompts=dict(self.prompts),
        )

    @property
    def constraint(self) -> JsonObject:
        """What holds the answers to a form; empty where nothing does."""
        task = self.inputs.task
        return kind_of(task.kind).constraint(task) if self.inputs.config.decoding == "closed" else {}

    def held_by(self, name: str | None) -> Held:
        """What holds the named model's answers, or the base's, to the task's form."""
        if kind_of(self.inputs.task.kind).constraint(self.inputs.task) == {}:
            return ""
        llm = self.base_llm if name is None else self._named(name)
        return held_by(llm, self._constraint_on(llm))

    def _constraint_on(self, llm: BaseChatModel) -> JsonObject:
        """The constraint in the form that this model takes: a provider takes no regular expression."""
        task = self.inputs.task
        of_provider = kind_of(task.kind).provider_constraint
        if of_provider is None or isinstance(llm, DomainLLM) or not self.constraint:
            return self.constraint
        return of_provider(task)

    def _bound(self, llm: BaseChatModel) -> Any:
        """The model itself where nothing holds it: agents bind tools to a chat model, not to a binding."""
        return hold(llm, self._constraint_on(llm))

    def asks_elsewhere(self, variant: Variant) -> bool:
        """Whether its model runs outside this process."""
        if variant.runnable is not None:
            return bool(getattr(variant.runnable, "is_elsewhere", False))
        return variant.uses_llm and not runs_here(self.model_of(variant))

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

    def _retriever(self) -> BaseRetriever:
        """The user's own, else an index over the documents: they are passages already, of the configured length."""
        inputs, config = self.inputs, self.inputs.config
        if inputs.retriever is not None:
            return inputs.retriever
        return build_retriever(
            inputs.documents,
            config.retriever,
            k=config.passages,
            chunk_words=None,
            embed_hours=config.embed_hours,
            on_progress=self.on_progress,
        )

    def _oracle(self) -> GoldRetriever:
        inputs = self.inputs
        gold = {s.query: s.doc_ids for s in inputs.task.samples}
        # Questions that are timed come from the training rows.
        gold |= {e.query: e.doc_ids for e in inputs.examples if e.query not in gold}
        return GoldRetriever(documents=inputs.documents, k=inputs.config.passages, gold=gold)

    def key(self, variant: Variant, adapter: Adapter | None = None) -> str:
        """Content key of the variant's answers, with `adapter` in place of its own."""
        return content_key(self, variant, adapter)


def _as_trained(llm: DomainLLM, adapter: Adapter) -> DomainLLM:
    """The base with the adapter, whose card says whether it thinks."""
    return llm.model_copy(update={"adapter": str(adapter.folder), "thinking": None})
