"""Which unlabelled rows to label next: those the model is least sure of, spread over what they ask.

The rows with the smallest margin between the two likeliest labels are put into as many groups as rows are wanted, by
their sentence vectors and weighed by that margin, and the row in the middle of each group is chosen (Zhdanov 2019,
"Diverse mini-batch Active Learning", arXiv 1901.05954). Uncertain rows alone are often the same question fifty times.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from domainkit import progress
from domainkit.clinic.languages import mostly_latin
from domainkit.corpus.read_files import Columns, read_examples, read_rows
from domainkit.errors import ConfigError, DataError, Problem
from domainkit.evaluation.classical import EMBEDDED, Vectors, fit_probabilities
from domainkit.messages import JsonObject
from domainkit.retrieval.dense import sentence_vectors
from domainkit.retrieval.embeddings import MiniLMEmbeddings
from domainkit.splitting.clusters import asked
from domainkit.splitting.method import has_labels
from domainkit.statistics.intervals import Array
from domainkit.storage import write_text
from domainkit.text.words import fold

FIELDS = ("input", "question", "query", "text", "prompt", "instruction", "message", "title")
"""Names of the field that holds the text of an unlabelled row, the most telling first."""
UNCERTAIN = 20
"""Times as many uncertain rows as are wanted are grouped."""
STRENGTH = 30.0
"""C of the logistic regression on sentence vectors, as in `domainkit.evaluation.classical`."""
AT_MOST = 20_000
"""Unlabelled rows that are looked at; of more, so many by chance."""

Progress = Callable[[str, int, int], None]
"""(name of the step, done, total)."""


class Chosen(NamedTuple):
    """A row to be labelled, and why."""

    row: int
    unsure: float
    """1 less the margin of the two likeliest labels; of free answers 1 less the cosine with the nearest solved row."""
    guesses: tuple[str, ...]
    """The two likeliest labels; empty for free answers."""


class NextRows(NamedTuple):
    """What was chosen from which rows."""

    chosen: tuple[Chosen, ...]
    rows: tuple[JsonObject, ...]
    """The unlabelled rows that `Chosen.row` counts."""
    field: str
    notes: tuple[str, ...]


def next_to_label(
    data: object,
    unlabelled: object,
    out: str | Path | None = None,
    *,
    n: int = 50,
    columns: Columns | None = None,
    on_progress: Progress | None = None,
) -> NextRows:
    """The `n` rows of `unlabelled` whose labels would help most beside the examples of `data`; with `out`, a new JSON
    Lines file, they are written there, each with an empty target to fill in.

    `columns` as in `read_examples`. Raises ConfigError where nothing can be chosen, DataError for rows without a text.
    """
    report = on_progress or progress.report
    if n < 1:
        raise ConfigError(f"n={n} is not at least 1", next_step="give the number of rows to label")
    if out is not None and Path(out).exists():
        raise ConfigError("is there already", where=str(out), next_step="choose another --out: labels may be in it")
    examples = read_examples(data, columns)
    rows, field = _unlabelled(unlabelled, columns)
    known = {fold(asked(e)) for e in examples}
    fresh = {fold(str(row[field])): row for row in reversed(rows) if fold(str(row[field])) not in known}
    pool, notes = list(reversed(fresh.values())), []
    if dropped := len(rows) - len(pool):
        notes.append(f"{dropped:,} rows are left out: their question is in the data, or in an earlier row")
    if len(pool) > AT_MOST:
        notes.append(f"{AT_MOST:,} of {len(pool):,} rows were looked at, taken by chance")
        pool = random.Random(0).sample(pool, AT_MOST)
    if not pool:
        raise ConfigError(
            "every row is labelled already", where=str(unlabelled), next_step="give rows with new questions"
        )
    texts = [str(row[field]) for row in pool]
    if not mostly_latin(texts):
        notes.append("most letters are not Latin, which the embedding model cannot read: chance may choose as well")
    labels = [e.target for e in examples] if has_labels(examples) else None
    if labels is None:
        notes.append("targets are not labels: rows are chosen by how far they are from solved ones, and spread")
    vectors = _vectors([asked(e) for e in examples], texts, report)
    chosen = choose_rows([asked(e) for e in examples], labels, texts, vectors, n)
    made = NextRows(tuple(chosen), tuple(pool), field, tuple(notes))
    if out is not None:
        write_text(
            Path(out), "".join(json.dumps(_to_fill(made, c), ensure_ascii=False, default=str) + "\n" for c in chosen)
        )
    return made


def choose_rows(
    questions: Sequence[str], labels: Sequence[str] | None, pool: Sequence[str], vectors: Vectors, n: int
) -> list[Chosen]:
    """`n` positions of `pool`, or all of it, the most uncertain first. `labels` are those of `questions`, None where
    targets are free answers."""
    rows = vectors.both()[0](pool)
    guesses: list[tuple[str, ...]] = [()] * len(pool)
    if labels is None or len(set(labels)) < 2:
        solved = vectors.both()[0](questions)
        unsure = np.concatenate([1 - (rows[i : i + 1024] @ solved.T).max(axis=1) for i in range(0, len(rows), 1024)])
    else:
        names, predict = fit_probabilities(questions, labels, vectors, EMBEDDED, STRENGTH)
        likely = predict(pool)
        order = np.argsort(-likely, axis=1)[:, :2]
        best = np.take_along_axis(likely, order, axis=1)
        unsure = 1 - (best[:, 0] - best[:, 1])
        guesses = [tuple(names[k] for k in pair) for pair in order.tolist()]
    candidates = np.argsort(-unsure, kind="stable")[: UNCERTAIN * n]
    picked = candidates if len(candidates) <= n else candidates[_middles(rows[candidates], unsure[candidates], n)]
    ranked = sorted(picked.tolist(), key=lambda i: (-unsure[i], i))
    return [Chosen(i, float(min(max(unsure[i], 0.0), 1.0)), guesses[i]) for i in ranked]


def _middles(rows: Array, weights: Array, n: int) -> list[int]:
    """Of each of `n` groups the row nearest to its middle."""
    from sklearn.cluster import KMeans

    groups = KMeans(n, n_init=1, random_state=0).fit(rows, sample_weight=np.maximum(weights, 1e-6))
    distances = np.square(rows - groups.cluster_centers_[groups.labels_]).sum(axis=1)
    return [int(min(np.flatnonzero(groups.labels_ == k), key=distances.__getitem__)) for k in np.unique(groups.labels_)]


def _vectors(labelled: list[str], pool: list[str], report: Progress) -> Vectors:
    """Those of all texts, computed once and kept in the cache. Raises MachineError without an embedding model."""
    model = MiniLMEmbeddings()
    model.resolve()
    texts = list(dict.fromkeys([*labelled, *pool]))
    report("sentence embeddings", 0, len(texts))
    rows = dict(zip(texts, sentence_vectors(texts, model), strict=True))
    report("sentence embeddings", len(texts), len(texts))

    def embed(some: Sequence[str]) -> Array:
        return np.stack([rows[text] for text in some])

    return Vectors(embed, embed)


def _unlabelled(source: object, columns: Columns | None) -> tuple[list[JsonObject], str]:
    """The rows, and the name of the field that holds their text."""
    numbered = list(read_rows(source))
    rows = [row for _, row in numbered]
    wanted = [*([columns["input"]] if columns and "input" in columns else []), *FIELDS]
    names = {name.lower(): name for row in rows[:100] for name in row}
    field = next((names[name.lower()] for name in wanted if name.lower() in names), None)
    if field is None:
        have = ", ".join(sorted(names.values())[:12]) or "none"
        what = f"no field holds the text of a row; its fields: {have}"
        raise ConfigError(what, where=str(source), next_step="name it 'input', or add --map input=COLUMN")
    wrong = [
        Problem(str(source), line, f"'{field}' holds no text", "fill it in, or delete the row")
        for line, row in numbered
        if not isinstance(row.get(field), str) or not str(row[field]).strip()
    ]
    if wrong:
        raise DataError(wrong)
    return rows, field


def _to_fill(made: NextRows, chosen: Chosen) -> JsonObject:
    """The row with its text as input, an empty target, and what the model guesses."""
    row = dict(made.rows[chosen.row])
    text = row.pop(made.field)
    guesses = {"guesses": list(chosen.guesses)} if chosen.guesses else {}
    return {
        "input": text,
        "target": "",
        **guesses,
        "unsure": round(chosen.unsure, 3),
        **{k: v for k, v in row.items() if k != "target"},
    }
