"""Training examples with passages in their prompts, so that a model learns to answer from what retrieval gives it (RAFT,
arXiv 2403.10131): mostly the passage that holds the answer among others that do not, now and then only the others.

The user turn is `answer_chain`'s own: what is trained is what is asked.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from langchain_core.documents import Document as Passage

from chains.answer import question_in_context
from domainkit import Example, Turn
from domainkit.corpus.fold import fold
from domainkit.errors import ConfigError
from domainkit.retrieval import GoldRetriever, PassageRetriever

GOLD_SHARE = 0.8
"""Share of examples that are shown their gold passage (the paper's P, 0.8 for most of its sets)."""


def context_examples(
    examples: Sequence[Example],
    retriever: PassageRetriever,
    *,
    gold_share: float = GOLD_SHARE,
    context_prompt: str = "",
    seed: int = 0,
) -> list[Example]:
    """The examples, each question behind the `retriever.k` passages found for it.

    Where an example names its documents (`doc_ids`), a share `gold_share` of them is shown a passage of theirs, put in a random
    place where retrieval missed it; the rest is shown distractors only. Examples without `doc_ids` keep what was found.
    Raises ConfigError for a share outside 0 to 1, or `doc_ids` none of which is in the corpus.
    """
    if not 0 <= gold_share <= 1:
        raise ConfigError(f"gold_share={gold_share} is not between 0 and 1", next_step=f"{GOLD_SHARE} is the default")
    golds = _gold_passages(examples, retriever)
    spare = _most_passages(retriever) * max((len(e.doc_ids) for e in examples), default=0)
    found = retriever.batch([e.question for e in examples], k=retriever.k + spare)
    rng = random.Random(seed)
    return [
        _in_context(example, _shown(passages, gold, retriever.k, gold_share, rng), context_prompt)
        for example, passages, gold in zip(examples, found, golds, strict=True)
    ]


def _gold_passages(examples: Sequence[Example], retriever: PassageRetriever) -> list[list[Passage]]:
    known = {e.question: e.doc_ids for e in examples if e.doc_ids}
    if not known:
        return [[] for _ in examples]
    oracle = GoldRetriever(documents=retriever.documents, k=len(retriever.documents), gold=known)
    golds = [_answering(oracle.invoke(e.question), e.target) if e.doc_ids else [] for e in examples]
    if not any(golds):
        raise ConfigError(
            f"the training rows name documents that are not in the corpus, such as '{next(iter(known.values()))[0]}'",
            where="doc_ids",
            next_step="give the corpus whose ids the rows name",
        )
    return golds


def _most_passages(retriever: PassageRetriever) -> int:
    """Of any one document."""
    return max(Counter(d.meta.get("parent", d.id) for d in retriever.documents).values())


def _answering(gold: list[Passage], target: str) -> list[Passage]:
    """Those of the gold document's passages that spell the answer; all of them where none does."""
    return [p for p in gold if fold(target) in fold(p.page_content)] or gold


def _shown(found: list[Passage], gold: list[Passage], k: int, gold_share: float, rng: random.Random) -> list[Passage]:
    """Drawn for every example alike, so that the draw of one does not depend on the passages of another."""
    keep, place = rng.random() < gold_share, rng.randrange(k)
    if not gold:
        return found[:k]
    parents = {p.metadata["parent"] for p in gold}
    if not keep:
        return [p for p in found if p.metadata["parent"] not in parents][:k]
    shown = found[:k]
    if not {p.id for p in gold} & {p.id for p in shown}:
        shown[min(place, len(shown) - 1)] = gold[0]
    return shown


def _in_context(example: Example, passages: list[Passage], context_prompt: str) -> Example:
    """The example with its last user turn, the question, behind the passages."""
    at = max(i for i, turn in enumerate(example.prompt) if turn.role == "user")
    asked = Turn(role="user", content=question_in_context(example.question, passages, context_prompt))
    return example.model_copy(update={"turns": (*example.turns[:at], asked, *example.turns[at + 1 :])})


__all__ = ["GOLD_SHARE", "context_examples"]
