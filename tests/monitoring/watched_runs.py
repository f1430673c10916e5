"""Runs to watch, and sentence vectors without a model."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.messages import AIMessage

from domainkit.results.schema import AnswerRow, Item, Passage, Results
from tests.verdict.small_results import METRIC, run_of

TOPICS = {"card": "my bank card was declined in shop", "rent": "the rent of my flat is too high in month"}
OTHER = "which sort of apple tree grows on chalk beside river"
PASSAGES = {
    "card": "A card is declined by a shop of the bank where",
    "rent": "Rent of a flat is paid each month and high",
}


class WordVectors(Embeddings):
    """Each word has a random direction; a text is their sum."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        directions = [np.random.default_rng(zlib.crc32(w.encode())).normal(size=32) for w in text.lower().split()]
        return np.sum(directions, 0).tolist() if directions else [0.0] * 32


def question(topic: str, k: int) -> str:
    return f"{TOPICS.get(topic, OTHER)} number {k % 7}"


def label_run(n: int = 200, variant: str = "tuned") -> Results:
    """Half of the questions are about cards, half about rent; the answers are the labels."""
    run = run_of([1.0] * n, name=variant)
    items = tuple(
        Item(
            id=f"q{k}",
            input=question(topic, k),
            target=topic,
            references=(topic,),
            answers={variant: AnswerRow(text=topic, scores={METRIC: 1.0})},
        )
        for k in range(n)
        for topic in [("card", "rent")[k % 2]]
    )
    return run.model_copy(update={"items": items})


def retrieving_run(n: int = 200) -> Results:
    """Free answers of different lengths, from passages."""
    run = label_run(n, "rag")
    items = tuple(
        i.model_copy(
            update={
                "answers": {"rag": AnswerRow(text="word " * (5 + k % 20), scores={METRIC: 1.0}, passages=(i.target,))}
            }
        )
        for k, i in enumerate(run.items)
    )
    task = run.task.model_copy(update={"kind": "answer"})
    passages = {name: Passage(text=text) for name, text in PASSAGES.items()}
    return run.model_copy(update={"items": items, "task": task, "passages": passages})


def save(results: Results, folder: Path) -> Path:
    results.save(folder / "results.json")
    return folder


def answered(text: str, *passages: str, **metadata: object) -> AIMessage:
    rows = [{"id": name, "title": "", "text": PASSAGES[name]} for name in passages]
    return AIMessage(text, response_metadata={**({"passages": rows} if rows else {}), **metadata})
