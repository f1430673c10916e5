"""route: each question goes to the adapter of its domain, by embedding or by the model's own choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from chains.answer import Question, query_of

Pick = Callable[[Sequence[str]], list[str]]
"""Questions to the name of each one's route."""


def route(chains: Mapping[str, Runnable[Question, Any]], pick: Pick) -> Runnable[Question, Any]:
    """A Runnable that sends each question to the chain that `pick` names. The questions of a chain are one batch.

    `response_metadata["route"]` holds the chain's name. Raises ValueError for a name without a chain.
    """

    def one(question: Question) -> Any:
        return many([question])[0]

    def many(questions: Sequence[Question]) -> list[Any]:
        names = pick([query_of(q) for q in questions])
        unknown = set(names) - set(chains)
        if unknown:
            raise ValueError(
                f"routes without a chain: {', '.join(sorted(unknown))}; chains: {', '.join(sorted(chains))}"
            )
        answers: dict[int, Any] = {}
        for name, chain in chains.items():
            at = [i for i, n in enumerate(names) if n == name]
            if at:
                outputs = chain.batch([questions[i] for i in at], {"max_concurrency": len(at)})
                answers |= {i: _with_route(output, name) for i, output in zip(at, outputs, strict=True)}
        return [answers[i] for i in range(len(questions))]

    return _Route(one, many)


class _Route(RunnableLambda[Question, Any]):
    """`invoke` sends one question, `batch` all at once."""

    def __init__(self, one: Callable[[Question], Any], many: Callable[[Sequence[Question]], list[Any]]) -> None:
        super().__init__(one, name="route")
        self._many = many

    def batch(
        self,
        inputs: list[Question],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        try:
            return self._many(inputs) if inputs else []
        except Exception:
            # One failure must not fail the others: fall back to one call per question.
            return super().batch(inputs, config, return_exceptions=return_exceptions, **kwargs)


def by_embedding(examples: Mapping[str, Sequence[str]], embeddings: Embeddings) -> Pick:
    """Pick the route with the nearest mean of its example questions, by cosine."""
    names = list(examples)
    centres = np.stack([np.mean(embeddings.embed_documents(list(examples[n])), axis=0) for n in names])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)

    def pick(questions: Sequence[str]) -> list[str]:
        vectors = np.asarray([embeddings.embed_query(q) for q in questions])
        return [names[i] for i in (vectors @ centres.T).argmax(axis=1)]

    return pick


def by_choice(llm: BaseChatModel, descriptions: Mapping[str, str]) -> Pick:
    """Let the model choose: a grammar makes its answer one of the routes' names."""
    listed = "\n".join(f"{name}: {what}" for name, what in descriptions.items())
    chooser = llm.bind(choices=list(descriptions))

    def pick(questions: Sequence[str]) -> list[str]:
        prompts: list[LanguageModelInput] = [
            [("system", f"Which desk should answer?\n{listed}"), ("user", q)] for q in questions
        ]
        return [message.text for message in chooser.batch(prompts)]

    return pick


def _with_route(answer: Any, name: str) -> Any:
    if not isinstance(answer, AIMessage):
        return answer
    return answer.model_copy(update={"response_metadata": {**answer.response_metadata, "route": name}})
