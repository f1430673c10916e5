"""Training examples with passages in their prompts, so that a model learns to answer from retrieved passages (RAFT,
arXiv 2403.10131)."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.documents import Document

from chains.answer import question_in_context
from domainkit import Example, Turn


def context_examples(
    examples: Sequence[Example], passages: Sequence[Sequence[Document]], *, context_prompt: str = ""
) -> list[Example]:
    """The examples, each with its passages before the question; `domainkit.retrieval.training_passages` chooses them.

    The user turn is the one that `answer_chain` writes: training and inference see the same prompt.
    """
    return [_in_context(e, documents, context_prompt) for e, documents in zip(examples, passages, strict=True)]


def _in_context(example: Example, passages: Sequence[Document], context_prompt: str) -> Example:
    """The question is the last user turn of the prompt."""
    at = max(i for i, turn in enumerate(example.prompt) if turn.role == "user")
    turn = Turn(role="user", content=question_in_context(example.question, passages, context_prompt))
    return example.model_copy(update={"turns": (*example.turns[:at], turn, *example.turns[at + 1 :])})


__all__ = ["context_examples"]
