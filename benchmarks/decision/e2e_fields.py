"""Rows of the kind fields: the sample set e2e turned round, its sentences in and the facts they were written from out.

As they lie, train and test hardly share a value (193 of the 200 test rows have one that train lacks), so both are put
together and divided again: all sentences of one set of facts on one side, and in test one sentence of each.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

from domainkit.messages import JsonObject

_FACT = re.compile(r"([^,\[\]]+)\[([^\]]*)\]")
TEST_ROWS = 200
NAMES = {"customer rating": "customerRating"}


def facts_of(text: str) -> dict[str, str]:
    """name[The Eagle], food[French] to {"name": "The Eagle", "food": "French"}."""
    found = {name.strip(): value.strip() for name, value in _FACT.findall(text)}
    return {NAMES.get(name, name): value for name, value in found.items()}


def write_rows(data: Path, out: Path, seed: int = 0) -> None:
    """Write OUT/test.jsonl and OUT/train.jsonl."""
    lines = [line for part in ("train", "test") for line in (data / f"{part}.jsonl").read_text("utf-8").splitlines()]
    sentences: dict[str, list[JsonObject]] = {}
    for row in map(json.loads, lines):
        made = {"id": row["id"], "input": row["target"], "target": facts_of(row["input"])}
        sentences.setdefault(row["input"], []).append(made)
    facts = sorted(sentences)
    random.Random(seed).shuffle(facts)
    test = [sentences[name][0] for name in facts[:TEST_ROWS]]
    train = [row for name in facts[TEST_ROWS:] for row in sentences[name]]
    out.mkdir(parents=True, exist_ok=True)
    for part, rows in (("test", test), ("train", train)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (out / f"{part}.jsonl").write_text(text, encoding="utf-8")
