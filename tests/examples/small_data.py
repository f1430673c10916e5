"""Small data folders in the form of the real ones, written by hand: what a notebook on real data is tested with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

INTENTS = {
    "card_arrival": (
        "my card has not come",
        "when will the card be here",
        "still no card in the post",
        "is my card sent",
        "waiting for my card",
        "the card should be here by now",
    ),
    "exchange_rate": (
        "which rate do you use for euros",
        "the rate for my dollars was bad",
        "what is the rate today",
        "how is your rate made",
        "do you change at the market rate",
        "the rate for yen seems wrong",
    ),
    "lost_card": (
        "I cannot find my card",
        "somebody took my card",
        "my card is gone",
        "I left my card in a taxi",
        "please block my card, it is lost",
        "my wallet with the card was stolen",
    ),
    "top_up_failed": (
        "my top up did not go through",
        "topping up fails",
        "the top up was refused",
        "why was my top up denied",
        "I cannot top up",
        "the top up shows an error",
    ),
}
OPENINGS = ("Hello, {}.", "Can you help? {}", "{}, and I am not happy")
ASKED = {
    "card_arrival": ("Has my new card been posted?", "Ten days and no card"),
    "exchange_rate": ("Tell me the rate for pounds", "Your rate for francs please"),
    "lost_card": ("The card fell out of my pocket", "My card was stolen yesterday"),
    "top_up_failed": ("Top up rejected again", "No luck topping up by card"),
}

CONDITIONS = (
    ("Almer syndrome", "ALM1", "autosomal recessive", 40_000),
    ("Brandt disease", "BRD2", "autosomal dominant", 90_000),
    ("Corrin dystrophy", "CRN4", "X-linked recessive", 12_000),
    ("Delmar ataxia", "DLM7", "autosomal recessive", 250_000),
    ("Everard anemia", "EVR3", "autosomal recessive", 8_000),
    ("Finch myopathy", "FNC5", "autosomal dominant", 70_000),
    ("Garrow syndrome", "GRW9", "autosomal recessive", 33_000),
    ("Hollis deafness", "HLS6", "autosomal recessive", 150_000),
    ("Ingram disease", "ING8", "autosomal dominant", 5_000),
)
KINDS = {
    "gene": ("Which gene is mutated in {name}?", "Mutations in the {gene} gene cause {name}.", "{gene}"),
    "inheritance": (
        "What is the inheritance pattern of {name}?",
        "{name} is inherited in an {pattern} pattern.",
        "{pattern}",
    ),
    "frequency": ("How common is {name}?", "{name} affects about 1 in {often:,} newborns.", "1 in {often:,}"),
}
TRAINED = 6
"""Conditions that training questions are about; test questions are about the others."""


def banking77(folder: Path) -> Path:
    """72 labelled messages and 8 to sort, of four intents; returns `folder`."""
    place = folder / "banking77"
    train = [(opening.format(text), name) for opening in OPENINGS for name, texts in INTENTS.items() for text in texts]
    test = [(text, name) for name, texts in ASKED.items() for text in texts]
    for part, rows in (("train_small", train), ("test_small", test)):
        _write(
            place / f"{part}.jsonl", ({"id": f"{part}-{i}", "input": t, "target": n} for i, (t, n) in enumerate(rows))
        )
    (place / "labels.json").write_text(json.dumps(list(INTENTS)), encoding="utf-8")
    return folder


def medquad_ghr(folder: Path) -> Path:
    """Training questions on six conditions, test questions on three others, and a document for every answer.

    Each condition has three questions. Returns `folder`.
    """
    place = folder / "medquad_ghr"
    documents, rows = [], []
    for number, (name, gene, pattern, often) in enumerate(CONDITIONS):
        for kind, texts in KINDS.items():
            question, text, answer = (t.format(name=name, gene=gene, pattern=pattern, often=often) for t in texts)
            key = f"ghr-{number}-{kind}"
            documents.append({"id": key, "title": f"{name}: {kind}", "text": text})
            rows.append({"id": f"q-{key}", "input": question, "target": answer, "doc_ids": [key], "kind": kind})
    solved = TRAINED * len(KINDS)
    for part, found in (("corpus", documents), ("train", rows[:solved]), ("test", rows[solved:])):
        _write(place / f"{part}.jsonl", found)
    return folder


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


WRITERS = {"banking77": banking77, "documents": medquad_ghr}
"""By the notebook that reads it."""
