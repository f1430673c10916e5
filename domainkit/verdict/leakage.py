"""Leakage: test questions that are also in what a variant learns from, is shown, or was chosen on.

A model that has seen the question shows memory, not skill. Three sets are looked through: the training rows (which are the
few-shot pool too), the documents of the retrieval index, and the development questions. An article that holds the answer is
retrieval doing its work; a passage that holds the very question is a leak.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domainkit.corpus.document import Document
from domainkit.corpus.example import Example
from domainkit.evaluation.task import Kind, Sample
from domainkit.results.schema import Leak, LeakPair, LeakSet
from domainkit.verdict.leakage_levels import (
    ALIKE,
    NEAR,
    Cosines,
    Match,
    contained,
    given_away,
    near,
    nearest,
    shared_runs,
    words,
)

SHOWN = 50
TEXT_SHOWN = 600
"""Characters of the other text kept for the reader."""


@dataclass(frozen=True)
class _Pool:
    """What test questions are held against: `questions` as written and as words, `solved` the words of question and answer."""

    name: LeakSet
    sources: Sequence[str]
    shown: Sequence[str]
    texts: Sequence[list[str]]
    questions: Sequence[str] = ()
    solved: Sequence[list[str]] = ()


def find_leaks(
    train: Sequence[Example],
    samples: Sequence[Sample],
    *,
    kind: Kind = "label",
    documents: Sequence[Document] = (),
    dev: Sequence[Example] = (),
    cosines: Cosines | None = None,
    unchecked: str = "",
    shown: int | None = SHOWN,
) -> tuple[tuple[Leak, ...], tuple[bool, ...]]:
    """Every level checked for every set given, with count 0 where nothing was found; and whether each sample is clean.

    Levels, worst first; in each set a question is counted at its worst alone, and a Leak keeps the first `shown` pairs:
    exact (same words; case, punctuation and space aside) · ngram (a run of words fitted to the question's length) · near
    (character cosine) · answer (its answer stands in a solved example; answer tasks only) · embedding (cosine of `cosines`;
    shown but not counted, since a paraphrase is no copy). `unchecked` says why there are no `cosines`.
    """
    asked = [words(s.input) for s in samples]
    leaks: list[Leak] = []
    for name, examples in (("train", train), ("dev", dev)):
        if examples:
            pool = _examples(name, examples)  # type: ignore[arg-type]
            leaks += _levels(samples, asked, pool, kind, cosines, unchecked)
    if documents:
        leaks += _in_documents(samples, asked, documents)
    leaked = {pair.test for leak in leaks if leak.counted for pair in leak.pairs}
    clean = tuple(s.id not in leaked for s in samples)
    return tuple(leak.model_copy(update={"pairs": leak.pairs[:shown]}) for leak in leaks), clean


def _examples(name: LeakSet, examples: Sequence[Example]) -> _Pool:
    return _Pool(
        name,
        [e.source or e.id or f"{name}[{j}]" for j, e in enumerate(examples)],
        [f"{e.question}\n→ {e.target}" for e in examples],
        [words(e.question) for e in examples],
        [e.question for e in examples],
        [words(f"{e.question}\n{e.target}") for e in examples],
    )


def _levels(
    samples: Sequence[Sample],
    asked: Sequence[list[str]],
    pool: _Pool,
    kind: Kind,
    cosines: Cosines | None,
    unchecked: str,
) -> list[Leak]:
    found: set[int] = set()

    def level(name: str, match: Callable[[list[int]], list[Match]], threshold: float | None = None) -> Leak:
        rest = [i for i in range(len(asked)) if i not in found]
        matches = [(rest[i], j, how) for i, j, how in match(rest)]
        found.update(i for i, _, _ in matches)
        return _leak(name, pool, samples, matches, threshold)

    leaks = [
        level("exact", lambda rest: _same([asked[i] for i in rest], pool.texts)),
        level("ngram", lambda rest: shared_runs([asked[i] for i in rest], pool.texts)),
        level("near", lambda rest: near([asked[i] for i in rest], pool.texts), NEAR),
    ]
    if kind == "answer":
        answers = [words(s.target) for s in samples]
        leaks.append(
            level(
                "answer",
                lambda rest: given_away([asked[i] for i in rest], [answers[i] for i in rest], pool.texts, pool.solved),
            )
        )
    if cosines is None:
        why = unchecked or "no embedding model was given"
        return [*leaks, Leak(level="embedding", against=pool.name, count=0, counted=False, unchecked=why)]
    questions = [s.input for s in samples]
    alike = level(
        "embedding", lambda rest: nearest([questions[i] for i in rest], pool.questions, cosines, ALIKE), ALIKE
    )
    return [*leaks, alike.model_copy(update={"counted": False})]


def _same(tests: Sequence[list[str]], pool: Sequence[list[str]]) -> list[Match]:
    first = {tuple(text): j for j, text in reversed(list(enumerate(pool)))}
    return [(i, first[tuple(text)], 1.0) for i, text in enumerate(tests) if text and tuple(text) in first]


def _in_documents(samples: Sequence[Sample], asked: Sequence[list[str]], documents: Sequence[Document]) -> list[Leak]:
    """The question whole (or 13 words of it in a row) in a passage, or nearly the same as a question that a passage asks."""
    texts = [f"{d.title}\n{d.text}" if d.title else d.text for d in documents]
    pool = _Pool("index", [d.id for d in documents], texts, [words(t) for t in texts])
    matches = contained(asked, pool.texts)
    exact, runs = [m for m in matches if m[2] == 1.0], [m for m in matches if m[2] < 1.0]
    found = {i for i, _, _ in matches}
    questions = [(j, q) for j, text in enumerate(texts) for q in _QUESTION.findall(text)]
    rest = [i for i in range(len(asked)) if i not in found]
    close = near([asked[i] for i in rest], [words(q) for _, q in questions])
    alike = [(rest[i], questions[k][0], how) for i, k, how in close]
    return [
        _leak("exact", pool, samples, exact, None),
        _leak("ngram", pool, samples, runs, None),
        _leak("near", pool, samples, alike, NEAR),
    ]


_QUESTION = re.compile(r"[^.!?\n。！？]{8,400}[?？]")


def _leak(
    level: str, pool: _Pool, samples: Sequence[Sample], matches: Sequence[Match], threshold: float | None
) -> Leak:
    pairs = tuple(
        LeakPair(test=samples[i].id, source=pool.sources[j], text=_cut(pool.shown[j]), similarity=round(how, 3))
        for i, j, how in matches
    )
    return Leak(level=level, against=pool.name, count=len(pairs), pairs=pairs, threshold=threshold)


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_SHOWN else f"{text[:TEXT_SHOWN]}…"


def leaked_questions(leaks: Sequence[Leak]) -> int:
    """How many questions leaked at counted levels, of the set that holds most of them: one may stand in several sets."""
    totals: dict[str, int] = {}
    for leak in leaks:
        if leak.counted:
            totals[leak.against] = totals.get(leak.against, 0) + leak.count
    return max(totals.values(), default=0)
