"""The passages that stand in the prompts of training examples, gold and distracting ones (RAFT, arXiv 2403.10131)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from langchain_core.documents import Document as Passage

from domainkit.corpus.example import Example
from domainkit.errors import ConfigError
from domainkit.retrieval.gold import GoldRetriever
from domainkit.retrieval.passages import PassageRetriever
from domainkit.text.words import contains, fold

GOLD_SHARE = 0.8
"""Share of examples whose gold passage is in the prompt (the paper's P, 0.8 for most of its data sets)."""


def training_passages(
    examples: Sequence[Example], retriever: PassageRetriever, *, gold_share: float = GOLD_SHARE, seed: int = 0
) -> list[list[Passage]]:
    """For each example `retriever.k` passages, as retrieval ranks them.

    Of the examples that name their documents (`doc_ids`), a share `gold_share` gets a passage of these documents:
    where the retriever did not find one, it replaces a random passage. The other examples get distractors only. An
    example without `doc_ids` keeps what the retriever found.
    Raises ConfigError for a share outside 0 to 1, or when the corpus has none of the documents that the examples name.
    """
    if not 0 <= gold_share <= 1:
        raise ConfigError(f"gold_share={gold_share} is not between 0 and 1", next_step=f"{GOLD_SHARE} is the default")
    golds = _gold_passages(examples, retriever)
    # Gold passages may be taken out of a ranking: enough others must remain to fill k places.
    extra = _most_passages_of_a_document(retriever) * max((len(e.doc_ids) for e in examples), default=0)
    rankings = retriever.batch([e.query for e in examples], k=retriever.k + extra)
    rng = random.Random(seed)
    return [
        _with_or_without_gold(ranking, gold, retriever.k, gold_share, rng)
        for ranking, gold in zip(rankings, golds, strict=True)
    ]


def _gold_passages(examples: Sequence[Example], retriever: PassageRetriever) -> list[list[Passage]]:
    documents_of = {e.query: e.doc_ids for e in examples if e.doc_ids}
    if not documents_of:
        return [[] for _ in examples]
    oracle = GoldRetriever(documents=retriever.documents, k=len(retriever.documents), gold=documents_of)
    golds = [_with_the_answer(oracle.invoke(e.query), e.target) if e.doc_ids else [] for e in examples]
    if not any(golds):
        example_id = next(iter(documents_of.values()))[0]
        raise ConfigError(
            f"the training rows name documents that are not in the corpus, such as '{example_id}'",
            where="doc_ids",
            next_step="give the corpus whose ids the rows name",
        )
    return golds


def _most_passages_of_a_document(retriever: PassageRetriever) -> int:
    return max(Counter(d.meta.get("parent", d.id) for d in retriever.documents).values())


def _with_the_answer(gold: list[Passage], target: str) -> list[Passage]:
    """The passages of the gold document that contain the answer; all of them where none does."""
    answer = fold(target)
    return [p for p in gold if contains(fold(p.page_content), answer)] or gold


def _with_or_without_gold(
    ranking: list[Passage], gold: list[Passage], k: int, gold_share: float, rng: random.Random
) -> list[Passage]:
    # Two draws for every example, used or not: the draws of one example do not depend on the passages of another.
    keep, position = rng.random() < gold_share, rng.randrange(k)
    if not gold:
        return ranking[:k]
    if not keep:
        gold_documents = {p.metadata["parent"] for p in gold}
        return [p for p in ranking if p.metadata["parent"] not in gold_documents][:k]
    passages = ranking[:k]
    if not {p.id for p in gold} & {p.id for p in passages}:
        passages[min(position, len(passages) - 1)] = gold[0]
    return passages


__all__ = ["GOLD_SHARE", "training_passages"]
