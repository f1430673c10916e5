"""The ladder: the built-in variants, from no language model to an adapter with retrieval, one row each.

Every row but the first three is `answer_chain` with one setting changed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable

from chains.answer import AnswerChain, ChooseShots, answer_chain
from chains.prompts import fill, prompt_text
from domainkit import DomainLLM, Example, Variant

_ROWS = (
    Variant(
        name="trivial",
        classical="trivial",
        description="No model: the commonest answer of the training rows; or, for free answers, the input copied.",
    ),
    Variant(
        name="classical",
        classical="auto",
        description="No language model: logistic regression on TF-IDF or on sentence embeddings, or the nearest solved "
        "example; the best in cross-validation on the training rows.",
    ),
    Variant(
        name="tuned-encoder",
        classical="encoder",
        description="A small sentence encoder fine-tuned on the training rows, with a linear layer for the labels; no "
        "model that writes. Label tasks only; part of a comparison that trains, or by name.",
    ),
    Variant(
        name="zero-shot",
        description="The base model with an instruction.",
    ),
    Variant(
        name="few-shot",
        shots="fixed",
        description="The base model with an instruction and the same few solved examples for every question.",
    ),
    Variant(
        name="knn-few-shot",
        shots="nearest",
        description="The base model with an instruction and the solved examples nearest to the question.",
    ),
    Variant(
        name="rag",
        retrieve=True,
        description="The base model with an instruction and the passages found for the question.",
    ),
    Variant(
        name="oracle-rag",
        retrieve=True,
        oracle=True,
        description="The base model with an instruction and the right document: what perfect retrieval would bring.",
    ),
    Variant(
        name="tuned",
        tuned=True,
        description="The base model with the adapter; the bare question, as it was trained.",
    ),
    Variant(
        name="tuned-knn",
        tuned=True,
        shots="nearest",
        description="The adapter, and the solved examples nearest to the question before it.",
    ),
    Variant(
        name="tuned-rag",
        tuned=True,
        retrieve=True,
        description="The adapter, and the passages found for the question before it.",
    ),
    Variant(
        name="tuned-context",
        tuned=True,
        context=True,
        retrieve=True,
        description="An adapter trained with passages in its prompts, right and wrong ones, and the passages found.",
    ),
    Variant(
        name="agent",
        retrieve=True,
        agent=True,
        default=False,
        description="An agent: the base model searches with a query of its own, then answers from the passages found.",
    ),
    Variant(
        name="tuned-agent",
        tuned=True,
        retrieve=True,
        agent=True,
        default=False,
        description="An agent: the base model searches with a query of its own, "
        "the adapter answers from the passages found.",
    ),
)

LADDER: dict[str, Variant] = {row.name: row for row in _ROWS}


@dataclass(frozen=True)
class Parts:
    """What chains are built from. Parts a variant does not need may be None."""

    base: Runnable[LanguageModelInput, AIMessage]
    """The base model, decoding settings bound."""
    tuned: Runnable[LanguageModelInput, AIMessage] | None = None
    """The same with the adapter."""
    in_context: Runnable[LanguageModelInput, AIMessage] | None = None
    """The same with the adapter trained on passages."""
    searcher: Runnable[LanguageModelInput, AIMessage] | None = None
    """The base model as it writes an agent's searches: without the settings bound for answers."""
    kind: str = "answer"
    """The kind of task: picks the instruction."""
    labels: Sequence[str] = ()
    """Replace {labels} in the instruction, a line each."""
    values: Mapping[str, str] = field(default_factory=dict)
    """What replaces its other {placeholders}."""
    examples: Sequence[Example] = ()
    """Solved examples: the training rows."""
    chosen: bool = False
    """Whether these are only those of a few-shot prompt, in its order."""
    nearest: ChooseShots | None = None
    """Questions to their nearest solved examples."""
    retriever: BaseRetriever | None = None
    oracle: BaseRetriever | None = None
    """Finds the gold documents' passages."""
    shots: int = 8
    """Solved examples in a few-shot prompt."""
    seed: int = 0
    prompts: dict[str, str] = field(default_factory=dict)
    """Prompts that replace the built-in ones, by name: a kind of task, or context."""

    def prompt(self, name: str) -> str:
        return self.prompts.get(name) or prompt_text(name)


def build_chain(variant: Variant, parts: Parts) -> Runnable[Any, Any]:
    """The variant's Runnable: its own, or `answer_chain` with the variant's settings. Classical rows have no chain."""
    if variant.runnable is not None:
        return cast("Runnable[Any, Any]", variant.runnable)
    if variant.agent:
        return _build_agent(variant, parts)
    return answer_chain(
        _model(variant, parts),
        shots=_shots(variant, parts),
        retriever=(parts.oracle if variant.oracle else parts.retriever) if variant.retrieve else None,
        # An adapter was trained on bare questions: an instruction it never saw would be a second change.
        instruction="" if variant.tuned else instruction(parts),
        context_prompt=parts.prompt("context"),
    )


def _build_agent(variant: Variant, parts: Parts) -> Runnable[Any, Any]:
    from chains.agent import SEARCH_TOKENS, answer_agent  # langgraph takes a second to import

    if parts.retriever is None:
        raise ValueError(f"variant '{variant.name}' needs a retriever")
    return answer_agent(
        _model(variant, parts),
        parts.retriever,
        instruction="" if variant.tuned else instruction(parts),
        search_llm=_brief(parts.searcher or parts.base, SEARCH_TOKENS),
        context_prompt=parts.prompt("context"),
    )


def _brief(llm: Runnable[LanguageModelInput, AIMessage], tokens: int) -> Runnable[LanguageModelInput, AIMessage]:
    """The model held to short searches, where it is ours: a small model may run on, and each class of other models has
    its own name for the limit."""
    return llm if isinstance(llm, BaseChatModel) and not isinstance(llm, DomainLLM) else llm.bind(max_tokens=tokens)


def _model(variant: Variant, parts: Parts) -> Runnable[LanguageModelInput, AIMessage]:
    adapted = parts.in_context if variant.context else parts.tuned
    return adapted if variant.tuned and adapted is not None else parts.base


def instruction(parts: Parts) -> str:
    """The task in words, with what its kind tells the model: for a label task, the closed list of labels."""
    values = {"labels": "\n".join(parts.labels), **parts.values} if parts.labels else parts.values
    template = parts.prompt(parts.kind)
    return fill(template, **values) if values else template


def fixed_shots(examples: Sequence[Example], k: int, seed: int) -> list[Example]:
    """`k` examples drawn once, with as many different targets as possible: no label comes twice before all labels come
    once.
    """
    order = list(examples)
    random.Random(seed).shuffle(order)
    counts: dict[str, int] = {}
    rounds = []
    for position, example in enumerate(order):
        counts[example.target] = counts.get(example.target, 0) + 1
        rounds.append((counts[example.target], position, example))
    return [example for _, _, example in sorted(rounds, key=lambda r: r[:2])[:k]]


def _shots(variant: Variant, parts: Parts) -> Sequence[Example] | ChooseShots:
    if variant.shots == "fixed" and parts.chosen:
        return parts.examples
    if variant.shots == "fixed":
        return fixed_shots(parts.examples, parts.shots, parts.seed)
    if variant.shots == "nearest" and parts.nearest is not None:
        return parts.nearest
    return ()


__all__ = ["LADDER", "AnswerChain", "Parts", "build_chain", "fixed_shots", "instruction"]
