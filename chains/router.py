"""route: each question to the adapter that knows its domain, by embedding or by the model's own choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda

Pick = Callable[[Sequence[str]], list[str]]
"""Questions to the name of each one's route."""


def route(chains: Mapping[str, Runnable[Any, Any]], pick: Pick) -> Runnable[Any, Any]:
    """A Runnable that sends each question to the chain `pick` names; a batch is split by chain, answered, and put back in order.

    The route taken stands in `response_metadata["route"]`. Raises ValueError for a name that is no chain.
    """

    def one(question: Any) -> Any:
        return many([question])[0]

    def many(questions: Sequence[Any]) -> list[Any]:
        names = pick([_text(q) for q in questions])
        strangers = set(names) - set(chains)
        if strangers:
            raise ValueError(
                f"routes without a chain: {', '.join(sorted(strangers))}; chains: {', '.join(sorted(chains))}"
            )
        answers: dict[int, Any] = {}
        for name, chain in chains.items():
            at = [i for i, n in enumerate(names) if n == name]
            if at:
                found = chain.batch([questions[i] for i in at], {"max_concurrency": len(at)})
                answers |= {i: _told(answer, name) for i, answer in zip(at, found, strict=True)}
        return [answers[i] for i in range(len(questions))]

    return _Route(one, many)


class _Route(RunnableLambda[Any, Any]):
    """invoke one by one, batch all at once."""

    def __init__(self, one: Callable[[Any], Any], many: Callable[[Sequence[Any]], list[Any]]) -> None:
        super().__init__(one, name="route")
        self._many = many

    def batch(
        self, inputs: list[Any], config: Any = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> list[Any]:
        try:
            return self._many(inputs) if inputs else []
        except Exception:
            # One failure must not take the others with it: fall back to one call per question.
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


def by_choice(llm: Any, descriptions: Mapping[str, str]) -> Pick:
    """Let the model choose among the routes by grammar: its answer is always one of their names."""
    listed = "\n".join(f"{name}: {what}" for name, what in descriptions.items())
    chooser = llm.bind(choices=list(descriptions))

    def pick(questions: Sequence[str]) -> list[str]:
        prompts = [[("system", f"Which desk should answer?\n{listed}"), ("user", q)] for q in questions]
        return [message.text for message in chooser.batch(prompts)]

    return pick


def _text(question: Any) -> str:
    return question["question"] if isinstance(question, dict) else question


def _told(answer: Any, name: str) -> Any:
    if not isinstance(answer, AIMessage):
        return answer
    return answer.model_copy(update={"response_metadata": {**answer.response_metadata, "route": name}})
